"""better-auth's tables in this database: its plugins' columns, its times, and expired rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property

from hookstream_keys.domain.timestamps import to_text
from hookstream_keys.store.postgresql import background
from hookstream_keys.store.postgresql.engine import PostgresqlEngine
from hookstream_keys.store.postgresql.errors import translating
from hookstream_keys.store.postgresql.session import connected
from hookstream_keys.store.records import Page
from hookstream_keys.store.sql.connection import Row, Value
from hookstream_keys.store.sql.retention import Conditions

_COLUMNS = """
    select attname from pg_attribute
    where attrelid = '"user"'::regclass and attnum > 0 and not attisdropped
"""


class BetterAuthColumns(PostgresqlEngine):
    """What the shared SQL leaves open about better-auth's tables."""

    def migrate(self) -> list[str]:
        applied = super().migrate()
        self.__dict__.pop("user_columns", None)
        _ = self.user_columns
        return applied

    @cached_property
    def user_columns(self) -> frozenset[str]:
        # Once, and by whatever asks first, which may be a coroutine.
        return background.run_apart(self._columns())

    async def page(
        self,
        select: str,
        conditions: Mapping[str, Value],
        page: Page,
        order: tuple[str, str] = ("created_at", "id"),
    ) -> Sequence[Row]:
        moment, row_id = order
        if moment.endswith('"createdAt"'):
            # As text, to the millisecond: so are cursors, and theirs may be no time at all.
            moment = f'hookstream_time({moment}) collate "C"'
        return await super().page(select, conditions, page, (moment, row_id))

    async def _columns(self) -> frozenset[str]:
        with translating():
            driver = await connected(self.url)
            try:
                return frozenset(row[0] for row in await driver.fetch(_COLUMNS))
            finally:
                await driver.close()

    def expired(self, before: datetime) -> Conditions:
        return [('"expiresAt" <= ?', (to_text(before),))]
