"""The periodic task that seals the organizations' chains, where each has one of its own."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from hookstream_keys.domain.timestamps import to_text
from hookstream_keys.store import AuditEvent, Store, StoreError

log = logging.getLogger("hookstream_keys")

#: How old the last seal is at most, while chains move. Each keeps a row for every chain that has
#: moved since the one before.
PERIOD = timedelta(days=1)
#: How often each process looks, in seconds; the first time it only waits.
LOOK_SECONDS = 60.0


class Sealing:
    """Seals the chains of `store`; `recorded` makes the event, and `now` is the present moment."""

    def __init__(
        self,
        store: Store,
        recorded: Callable[[Mapping[str, Any]], AuditEvent],
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._recorded = recorded
        self._now = now
        self._has_begun = False

    async def seal(self) -> float:
        """Seal what has moved, if it is time. Returns in how many seconds to look again."""
        if self._has_begun:
            try:
                await self._store.seal_chains(to_text(self._now() - PERIOD), self._recorded)
            except StoreError as error:
                log.warning("the audit log was not sealed, and will be later: %s", error)
        self._has_begun = True
        return LOOK_SECONDS
