"""Reads whose cost nothing bounds: beside the event loop, until a deadline."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from support import SECRET, Database
from support.results import result_of
from unit import samples
from unit.conftest import Sqlite

from hookstream_keys.app import Application, assemble
from hookstream_keys.http import dispatch
from hookstream_keys.settings import Settings
from hookstream_keys.store import QueryTimeout, SqliteStore, Store
from hookstream_keys.store.sqlite import engine as sqlite_engine

ROTATED = "/v1/auth/api-keys?rotated_by=usr_1"


@pytest.fixture
def application(database: Database) -> Iterator[Application]:
    database.init()
    settings = Settings(database=f"sqlite:///{database.path}", auth_secret=SECRET)
    application = assemble(settings)
    application.writer.start()
    yield application
    result_of(application.stop())


def send(application: Application, method: str, path: str, key: str, **given: Any) -> Any:
    async def exchange() -> httpx.Response:
        transport = httpx.ASGITransport(application.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, headers={"X-API-Key": key}, **given)

    return asyncio.run(exchange())


def test_one_that_takes_too_long_is_stopped(
    application: Application, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert send(application, "GET", ROTATED, database.tenant.key).json()["api_keys"] == []
    monkeypatch.setattr(sqlite_engine, "_INSTRUCTIONS", 1)
    monkeypatch.setattr(dispatch, "READ_SECONDS", -1.0)
    stopped = send(application, "GET", ROTATED, database.tenant.key)
    assert (stopped.status_code, stopped.json()["code"]) == (503, "unavailable")
    assert "too much of the database's time" in stopped.json()["error"]
    assert stopped.headers["retry-after"] == "1"
    # Others have no deadline.
    assert send(application, "GET", "/v1/auth/api-keys", database.tenant.key).status_code == 200
    monkeypatch.undo()
    assert send(application, "GET", ROTATED, database.tenant.key).status_code == 200


def test_a_pending_secret_becomes_the_key_s_own_by_it(
    application: Application, database: Database
) -> None:
    key_id = send(application, "GET", "/v1/auth/whoami", database.tenant.key).json()["key_id"]
    rotated = send(
        application,
        "POST",
        f"/v1/auth/api-keys/{key_id}/rotations",
        database.tenant.key,
        json={"grace_period_seconds": 60},
    ).json()
    assert send(application, "GET", ROTATED, rotated["key"]).status_code == 200
    with closing(sqlite3.connect(database.path)) as connection:
        assert connection.execute("select state from rotation").fetchall() == [("grace",)]


def test_a_query_ends_at_its_deadline(sqlite: Sqlite) -> None:
    store = SqliteStore(sqlite.path)
    store.migrate()
    endless = (
        "with recursive n (i) as (select 1 union all select i + 1 from n) select max(i) from n"
    )
    begun = time.monotonic()
    with pytest.raises(QueryTimeout), store.deadline(0.01):
        result_of(store.all(endless))
    assert time.monotonic() - begun < 10
    # Afterwards there is none.
    assert result_of(store.all("select 1")) == [(1,)]
    store.close()


def test_a_deadline_ends_with_its_block(store: Store) -> None:
    with store.deadline(0.0):
        pass
    assert result_of(store.add_first_tenant(samples.tenant()))
