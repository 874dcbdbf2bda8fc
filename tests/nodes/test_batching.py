"""Look-ups of one turn of the event loop are one statement."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from support import ON_POSTGRESQL, SECRET
from support.postgresql import shared_cluster
from unit import samples

from hookstream_keys.app import assemble
from hookstream_keys.domain import keys
from hookstream_keys.settings import Settings
from hookstream_keys.store import Store, open_store

pytestmark = pytest.mark.skipif(not ON_POSTGRESQL, reason="SQLite is asked in the process")

VERIFY = "/v1/auth/api-keys/verify"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of how many look-ups each statement is."""
    from hookstream_keys.store.postgresql.lookups import Lookups

    asked: list[int] = []
    find = Lookups._find

    async def counted(self: Lookups, sql: str, types: Any, values: Any) -> Any:
        asked.append(len(values))
        return await find(self, sql, types, values)

    monkeypatch.setattr(Lookups, "_find", counted)
    return asked


@pytest.fixture
def url() -> str:
    return shared_cluster().new_database()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = open_store(url)
    store.migrate()
    yield store
    store.close()


def test_look_ups_of_a_turn_are_one_statement(store: Store, asked: list[int]) -> None:
    tenant = samples.tenant()

    async def find_30() -> None:
        assert await store.add_first_tenant(tenant)
        found = await asyncio.gather(*(store.find_key(tenant.key_digest) for _ in range(30)))
        assert found == [tenant.key] * 30

    store.run(find_30())
    assert asked == [30]


def test_what_is_looked_up_ahead_is_one_statement_and_given_once(
    store: Store, asked: list[int]
) -> None:
    tenant = samples.tenant()
    other = keys.digest("another")
    revoked = samples.event_of(tenant.key, action="api_key.revoked")

    async def find() -> None:
        assert await store.add_first_tenant(tenant)
        store.look_ahead([tenant.key_digest, other])
        assert await store.find_key(tenant.key_digest) == tenant.key
        assert asked == [2]
        assert await store.revoke_key(
            tenant.key.org_id, tenant.key.id, samples.NOON, "unspecified", revoked
        )
        found = await store.find_key(tenant.key_digest)
        assert found is not None
        assert found.revoked_at == samples.NOON
        assert await store.find_key(other) is None

    store.run(find())


def test_a_verification_looks_up_both_keys_at_once(url: str, asked: list[int]) -> None:
    settings = Settings(database=url, single_database=True, auth_secret=SECRET)
    application = assemble(settings)
    store, tenant = application.store, samples.tenant()
    caller, about = keys.generate("live"), keys.generate("live")

    async def verify() -> None:
        # As when a server starts.
        await store.beat()
        assert await store.add_first_tenant(tenant)
        for new in (caller, about):
            key = samples.key_of(tenant.tenancy.environment)
            await store.add_key(key, new.digest, samples.event_of(key))
        application.start()
        transport = httpx.ASGITransport(application.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for secret, status, refused in ((caller.secret, 200, 400), ("hs_live_none", 401, 401)):
                headers = {"X-API-Key": secret, "Content-Type": "application/json"}
                asked.clear()
                answer = await client.post(VERIFY, json={"key": about.secret}, headers=headers)
                assert answer.status_code == status, answer.text
                assert (2 in asked) == (status == 200)
                # What has no key is refused as before, and only after authentication.
                for body in (b"[]", b"{", b'{"key": 1}', b""):
                    answer = await client.post(VERIFY, content=body, headers=headers)
                    assert answer.status_code == refused, answer.text
        await application.stop()

    asyncio.run(verify())
