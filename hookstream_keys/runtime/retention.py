"""Retention: how long expired and deleted rows stay, and the periodic task that prunes them.

A batch is small and one kind of rows is pruned at a time, so that a request that writes waits for
a few milliseconds at most. Every worker prunes; what one deletes, no other finds.
"""

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from hookstream_keys.domain import timestamps
from hookstream_keys.domain.setting_kinds import number
from hookstream_keys.settings import Settings
from hookstream_keys.store import Prunable, Store, StoreError

log = logging.getLogger("hookstream_keys")

#: How many rows are deleted in one transaction.
BATCH = 100


def periods(settings: Settings) -> dict[Prunable, timedelta]:
    """How long each kind of rows stays; kinds that are kept permanently are left out."""
    days: dict[Prunable, str] = {
        "sessions": settings.retention_sessions,
        "verifications": settings.retention_verifications,
        "idempotency_records": settings.retention_idempotency,
        "rotations": settings.retention_rotations,
        "environments": settings.retention_environments,
    }
    found = {what: number(text) for what, text in days.items()}
    return {what: timedelta(days=each) for what, each in found.items() if each is not None}


class Pruning:
    """Prunes the store `store`: of each kind what has been over for its period."""

    def __init__(
        self,
        store: Store,
        retention: Mapping[Prunable, timedelta],
        now: Callable[[], datetime] = timestamps.now,
    ) -> None:
        self._store = store
        self._retention = retention
        self._now = now
        #: In turn, so that many rows of one kind do not delay another.
        self._turns: Iterator[Prunable] = itertools.cycle(retention)

    async def prune_batch(self) -> bool:
        """Delete one batch of the next kind that has any; returns whether there may be more."""
        for _ in self._retention:
            what = next(self._turns)
            try:
                if await self._store.prune(what, self._now() - self._retention[what], BATCH):
                    return True
            except StoreError as error:
                log.warning("%s were not pruned, and will be later: %s", what, error)
        return False
