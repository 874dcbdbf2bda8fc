"""What a transaction has not sent yet: savepoints, and new rows, which go in bulk.

A group commit has many jobs whose only change is a new key. None of them needs an answer for that,
so all of these rows are one message, and a job that has sent nothing needs no savepoint. Everything
that is pending is sent before the next statement, so that sees it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import asyncpg

from hookstream_keys.store.errors import ForeignKeyViolation, TransactionConflict
from hookstream_keys.store.postgresql.dialect import translated
from hookstream_keys.store.sql.connection import Value


@dataclass
class _Step:
    """A savepoint's name, or a row: the statement that inserts it, and its values, first its id."""

    savepoint: str | None = None
    sql: str = ""
    table: str = ""
    values: Sequence[Value] = field(default=())


class Pending:
    """The steps of a transaction on `driver` that are sent before its next statement."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver
        self._steps: list[_Step] = []
        #: The last savepoint that was sent, if it is over and not released.
        self._unreleased: str | None = None
        self._savepoints = 0

    def insert(self, sql: str, table: str, values: Sequence[Value]) -> None:
        """Insert a row later."""
        self._steps.append(_Step(sql=sql, table=table, values=values))

    def savepoint(self) -> str:
        """Begin a savepoint; returns its name."""
        self._savepoints += 1
        name = f"part_{self._savepoints}"
        self._steps.append(_Step(savepoint=name))
        return name

    def release(self, name: str) -> None:
        """End a savepoint. One that was sent is released with the next one, or the commit."""
        index = self._index(name)
        if index is None:
            self._unreleased = name
        else:
            del self._steps[index]

    async def roll_back(self, name: str) -> None:
        """Undo all since a savepoint, and end it."""
        index = self._index(name)
        if index is not None:
            del self._steps[index:]
            return
        self._steps.clear()
        self._unreleased = None
        if not self._driver.is_closed():
            await self._driver.execute(f"rollback to savepoint {name}; release savepoint {name}")

    async def send(self) -> None:
        """Send everything.

        Raises ForeignKeyViolation when a row is not inserted, and TransactionConflict when it is
        one of several: whose it was is not known, so each job is done again alone.
        """
        steps, self._steps = self._steps, []
        for sql, several in groupby(steps, key=lambda step: step.sql):
            if sql:
                await self._insert(sql, list(several))
            else:
                await self._begin([str(step.savepoint) for step in several])

    async def _begin(self, names: Sequence[str]) -> None:
        release = [f"release savepoint {self._unreleased}"] if self._unreleased else []
        self._unreleased = None
        await self._driver.execute("; ".join([*release, *(f"savepoint {each}" for each in names)]))

    async def _insert(self, sql: str, steps: Sequence[_Step]) -> None:
        statement = translated(sql).sql
        ids = [step.values[0] for step in steps]
        try:
            await self._driver.executemany(statement, [step.values for step in steps])
        except asyncpg.IntegrityConstraintViolationError as error:
            if len(steps) == 1:
                raise
            raise TransactionConflict("one of several new rows was refused") from error
        count = f"select count(*) from {steps[0].table} where id = any($1)"  # noqa: S608 - a constant
        if await self._driver.fetchval(count, ids) != len(ids):
            words = "a new row was not inserted"
            raise ForeignKeyViolation(words) if len(steps) == 1 else TransactionConflict(words)

    def _index(self, name: str) -> int | None:
        return next(
            (index for index, step in enumerate(self._steps) if step.savepoint == name), None
        )
