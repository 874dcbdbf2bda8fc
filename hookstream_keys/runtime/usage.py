"""Usage of keys and failed attempts: counted in memory, written in batches after a few seconds.

Nothing is written while a key is verified. A worker that is stopped writes what it has; one that
is killed loses what it counted since it last wrote: `FLUSH_SECONDS`, and as long as the writing
takes. Counts only ever go up, and times only forward, whichever worker writes first.
"""

import logging
import threading
from collections.abc import Callable

from hookstream_keys.store import Attempts, CommitUnknown, Store, StoreError

log = logging.getLogger("hookstream_keys")

#: How long a count waits to be written.
FLUSH_SECONDS = 5.0


class Usage:
    """Counts for the store `store`. Safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._counted: dict[tuple[str, str], Attempts] = {}

    def count(self, key_id: str, outcome: str, now: str, address: str | None) -> None:
        """Count one verification of a key by its `outcome`, a verification code."""
        with self._lock:
            before = self._counted.get((key_id, outcome))
            if before is None:
                counted = Attempts(key_id, outcome, 1, now, address)
            elif now >= before.last_at:
                counted = Attempts(key_id, outcome, before.times + 1, now, address)
            else:
                counted = before._replace(times=before.times + 1)
            self._counted[key_id, outcome] = counted

    async def flush(self) -> None:
        """Write the counts. What cannot be written now is written the next time."""
        with self._lock:
            counted, self._counted = self._counted, {}
        if not counted:
            return
        try:
            await self._store.add_usage(list(counted.values()))
        except CommitUnknown as error:
            # Once too few rather than twice.
            log.warning("usage may not have been written: %s", error)
        except StoreError as error:
            log.warning("usage was not written, and will be later: %s", error)
            self._take_back(counted)

    def _take_back(self, counted: dict[tuple[str, str], Attempts]) -> None:
        with self._lock:
            for of, earlier in counted.items():
                later = self._counted.get(of)
                self._counted[of] = (
                    earlier if later is None else later._replace(times=earlier.times + later.times)
                )


#: What counts one use, as `Usage.count` does.
Count = Callable[[str, str, str, str | None], None]


def not_counted(_: str, __: str, ___: str, ____: str | None) -> None:
    """Count nothing: verification at the command line is not a use."""
