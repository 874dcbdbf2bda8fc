"""Many rows of one transaction take a few messages to the database, not one each."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from support.engines import engines
from support.results import result_of
from unit import samples
from unit.conftest import Postgresql

from hookstream_keys.store import USED, Attempts, Store, open_store

pytestmark = pytest.mark.skipif(
    "postgresql" not in engines(), reason="STORE_ENGINES has no postgresql"
)
#: What begins, ends and guards a transaction, and other sessions' business.
_MOST = 10
_NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that are sent, from the first connection on."""
    from hookstream_keys.store.postgresql import pool

    sent: list[str] = []
    prepare = pool.prepare

    async def logged(driver: Any) -> None:
        await prepare(driver)
        driver.add_query_logger(lambda query: sent.append(query.query))

    monkeypatch.setattr(pool, "prepare", logged)
    return sent


@pytest.fixture
def bulk_store(sent: list[str], postgresql: Postgresql) -> Iterator[Store]:
    store = open_store(postgresql.url)
    store.migrate()
    assert result_of(store.add_first_tenant(samples.tenant()))
    assert len(sent) > _MOST
    sent.clear()
    yield store
    store.close()


def test_usage_is_a_message_for_a_thousand_counts(bulk_store: Store, sent: list[str]) -> None:
    counted = [Attempts(f"ak_{n:032x}", USED, 1, samples.NOON, None) for n in range(2_500)]
    result_of(bulk_store.add_usage(counted))
    assert sum("key_usage" in query for query in sent) == 3
    assert len(sent) <= _MOST


def test_sessions_end_in_one_message(
    bulk_store: Store, sent: list[str], postgresql: Postgresql
) -> None:
    [(user_id,)] = postgresql.run('select id from "user"')
    for number in range(50):
        postgresql.add_session(f"token-{number}", user_id, "2020-01-01T12:00:00.000Z")
    sent.clear()
    assert result_of(bulk_store.prune("sessions", _NOON, 100)) == 50
    assert sum("delete" in query for query in sent) == 1
    assert len(sent) <= _MOST
