"""Work in batches: the periodic tasks that continue it, in short transactions.

Deletions of environments and organizations, and revocations of descendants. Every worker does it;
the store has them work on different rows.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from hookstream_keys.domain.timestamps import to_text
from hookstream_keys.store import DeletionEvents, RevocationEvents, Store, StoreError

log = logging.getLogger("hookstream_keys")

#: How many rows a transaction visits at most, and for how many seconds it goes on with the next
#: one: with its commit it is to hold the write lock for 10 ms at most.
MAX_ROWS = 200
MAX_SECONDS = 0.004
#: How long the write lock is left to others after it, in seconds.
PAUSE_SECONDS = 0.02
#: How long the number of revoked keys is kept for the request that waits for it.
KEPT = timedelta(hours=1)


class Batches:
    """Continues what is pending in the store `store`, at the time of `now`."""

    def __init__(
        self,
        store: Store,
        deletions: DeletionEvents,
        revocations: RevocationEvents,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._deletions = deletions
        self._revocations = revocations
        self._now = now

    async def continue_deletion(self) -> float | None:
        """Continue one; returns how long until the next call, in seconds, or None without any."""
        return await _pause_after(
            "a deletion",
            lambda: self._store.continue_deletion(self._deletions, MAX_ROWS, MAX_SECONDS),
        )

    async def continue_revocation(self) -> float | None:
        """The same for a revocation of descendants."""
        before = to_text(self._now() - KEPT)
        return await _pause_after(
            "a revocation",
            lambda: self._store.continue_revocations(
                self._revocations, MAX_ROWS, MAX_SECONDS, before
            ),
        )


async def _pause_after(what: str, work: Callable[[], Awaitable[bool]]) -> float | None:
    try:
        return PAUSE_SECONDS if await work() else None
    except StoreError as error:
        log.warning("%s was not continued, and will be later: %s", what, error)
        return None
