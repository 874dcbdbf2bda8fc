"""Pending deletions: the periodic task that continues them, in short transactions.

Every worker does it; the store has them work on different rows.
"""

import logging

from hookstream_keys.store import DeletionEvents, Store, StoreError

log = logging.getLogger("hookstream_keys")

#: How many rows a transaction changes at most, and for how many seconds it goes on with the next
#: one: with its commit it is to hold the write lock for 10 ms at most.
MAX_ROWS = 200
MAX_SECONDS = 0.004
#: How long the write lock is left to others after it, in seconds.
PAUSE_SECONDS = 0.02


class Deletions:
    """Continues the pending deletions of the store `store`, with the audit events `events`."""

    def __init__(self, store: Store, events: DeletionEvents) -> None:
        self._store = store
        self._events = events

    def continue_one(self) -> float | None:
        """Continue one; returns how long until the next call, in seconds, or None without any."""
        try:
            left = self._store.continue_deletion(self._events, MAX_ROWS, MAX_SECONDS)
        except StoreError as error:
            log.warning("a deletion was not continued, and will be later: %s", error)
            return None
        return PAUSE_SECONDS if left else None
