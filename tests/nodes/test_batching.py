"""Look-ups of one turn of the event loop are one statement."""

import asyncio
from typing import Any

import pytest
from support import ON_POSTGRESQL
from unit import samples

from hookstream_keys.store import open_store

pytestmark = pytest.mark.skipif(not ON_POSTGRESQL, reason="SQLite is asked in the process")


def test_look_ups_of_a_turn_are_one_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    from support.postgresql import shared_cluster  # noqa: PLC0415 - needs it, too

    from hookstream_keys.store.postgresql.lookups import Lookups  # noqa: PLC0415 - the driver

    asked: list[int] = []
    find = Lookups._find

    async def counted(self: Lookups, sql: str, types: Any, values: Any) -> Any:
        asked.append(len(values))
        return await find(self, sql, types, values)

    monkeypatch.setattr(Lookups, "_find", counted)
    store = open_store(shared_cluster().new_database())
    store.migrate()
    tenant = samples.tenant()

    async def find_30() -> None:
        assert await store.add_first_tenant(tenant)
        found = await asyncio.gather(*(store.find_key(tenant.key_digest) for _ in range(30)))
        assert found == [tenant.key] * 30

    store.run(find_30())
    store.close()
    assert asked == [30]
