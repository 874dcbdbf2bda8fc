"""Look-ups of one turn: each gets its own answer, and all are one statement."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from support.results import Result, result_of
from unit import samples
from unit.conftest import Engine

from hookstream_keys.domain import keys
from hookstream_keys.store import ApiKey, SqliteStore, Store, StoreUnavailable, Tenant


def run(store: Store, coroutine: Coroutine[Any, Any, Result]) -> Result:
    """What a coroutine returns that asks several things at once."""
    # A store on the network has a loop of its own; one on a file can be asked from any.
    return asyncio.run(coroutine) if isinstance(store, SqliteStore) else store.run(coroutine)


def test_each_of_many_at_once_gets_its_own(store: Store, tenant: Tenant) -> None:
    made: dict[bytes, ApiKey] = {}
    for _ in range(20):
        key, digest = samples.key_of(tenant.tenancy.environment), keys.generate("live").digest
        result_of(store.add_key(key, digest, samples.event_of(key)))
        made[digest] = key
    unknown = [keys.generate("live").digest for _ in range(10)]

    async def find_all() -> list[ApiKey | None]:
        asked = [*made, *unknown, *made]
        return await asyncio.gather(*(store.find_key(digest) for digest in asked))

    found = run(store, find_all())
    assert found == [*made.values(), *[None] * 10, *made.values()]


def test_different_questions_at_once(store: Store, tenant: Tenant) -> None:
    user, home = tenant.user, tenant.tenancy.organization

    async def ask() -> Any:
        return await asyncio.gather(
            store.find_user(user.id),
            store.find_user("usr_none"),
            store.role_in(home.id, user.id),
            store.role_in(home.id, "usr_none"),
            store.find_environment(tenant.tenancy.environment.id),
            store.has_data(),
            store.has_data(),
        )

    named, _, role, no_role, environment, *has_data = run(store, ask())
    assert (named.id, role, no_role) == (user.id, "owner", None)
    assert environment == tenant.tenancy.environment
    assert has_data == [True, True]


def test_one_that_fails_fails_no_other(engine: Engine, store: Store, tenant: Tenant) -> None:
    engine.run("alter table environment rename to elsewhere")

    async def ask() -> Any:
        return await asyncio.gather(
            store.find_environment("env_1"),
            store.find_environment("env_2"),
            store.find_key(tenant.key_digest),
            return_exceptions=True,
        )

    first, second, key = run(store, ask())
    assert isinstance(first, StoreUnavailable)
    assert isinstance(second, StoreUnavailable)
    assert key == tenant.key
    engine.run("alter table elsewhere rename to environment")
