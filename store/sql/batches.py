"""Batches: how much a transaction of work in batches may do."""

import time

#: How many rows are changed in the transaction that begins the work: little work is complete then.
ROWS_AT_ONCE = 50


class Budget:
    """How many rows a transaction may visit; and for how long, from now."""

    def __init__(self, rows: int, seconds: float = float("inf")) -> None:
        self._rows = rows
        self._until = time.monotonic() + seconds

    def count_row(self) -> bool:
        """Count a visited row. Returns whether the budget is exhausted."""
        self._rows -= 1
        return self._rows <= 0 or time.monotonic() >= self._until
