from collections.abc import Sequence

import pytest
from support.results import result_of
from unit import samples
from unit.conftest import Engine
from unit.test_store_conformance import at_once

from hookstream_keys.runtime.usage import Usage
from hookstream_keys.store import (
    USED,
    Attempts,
    CommitUnknown,
    KeyUsage,
    Store,
    StoreUnavailable,
    Tenant,
)

EARLIER, NOON, LATER = (f"2026-11-24T{hour}:00:00.000Z" for hour in (11, 12, 13))


@pytest.fixture
def usage(store: Store) -> Usage:
    return Usage(store)


def of(store: Store, key_id: str) -> KeyUsage:
    return result_of(store.usage_of([key_id]))[key_id]


def test_nothing_is_written_until_it_is_flushed(store: Store, tenant: Tenant, usage: Usage) -> None:
    key = tenant.key.id
    usage.count(key, USED, NOON, "203.0.113.7")
    assert of(store, key) == KeyUsage(None, ())
    result_of(usage.flush())
    assert of(store, key) == KeyUsage(Attempts(key, USED, 1, NOON, "203.0.113.7"), ())
    result_of(usage.flush())
    assert of(store, key).used == Attempts(key, USED, 1, NOON, "203.0.113.7")


def test_outcomes_are_counted_apart(store: Store, tenant: Tenant, usage: Usage) -> None:
    key = tenant.key.id
    for outcome, address in ((USED, "a"), ("REVOKED", "b"), (USED, "c"), ("EXPIRED", None)):
        usage.count(key, outcome, NOON, address)
    result_of(usage.flush())
    assert of(store, key) == KeyUsage(
        Attempts(key, USED, 2, NOON, "c"),
        (Attempts(key, "EXPIRED", 1, NOON, None), Attempts(key, "REVOKED", 1, NOON, "b")),
    )


def test_counts_add_up_and_times_only_move_forward(store: Store, tenant: Tenant) -> None:
    key = tenant.key.id
    # As workers write that were slow, or whose clock is.
    for counted in (
        Attempts(key, USED, 2, NOON, "noon"),
        Attempts(key, USED, 3, EARLIER, "earlier"),
        Attempts(key, USED, 4, LATER, "later"),
        Attempts(key, USED, 1, NOON, "noon"),
    ):
        result_of(store.add_usage([counted]))
    assert of(store, key).used == Attempts(key, USED, 10, LATER, "later")


def test_times_only_move_forward_within_a_worker(
    store: Store, tenant: Tenant, usage: Usage
) -> None:
    key = tenant.key.id
    for now in (NOON, LATER, EARLIER):
        usage.count(key, USED, now, now)
    result_of(usage.flush())
    assert of(store, key).used == Attempts(key, USED, 3, LATER, LATER)


def test_a_key_that_is_gone_does_not_take_others_with_it(
    engine: Engine, store: Store, tenant: Tenant, usage: Usage
) -> None:
    other = samples.key_of(tenant.tenancy.environment)
    usage.count(other.id, USED, NOON, None)
    usage.count(tenant.key.id, USED, NOON, None)
    result_of(usage.flush())
    assert engine.run("select key_id from key_usage") == [(tenant.key.id,)]
    engine.run("delete from api_key")
    assert engine.run("select count(*) from key_usage") == [(0,)]


def test_many_threads_count_exactly(store: Store, tenant: Tenant, usage: Usage) -> None:
    def count() -> None:
        for number in range(500):
            usage.count(tenant.key.id, USED, NOON, None)
            if number % 50 == 0:
                result_of(usage.flush())

    at_once(*[count] * 6)
    result_of(usage.flush())
    used = of(store, tenant.key.id).used
    assert used is not None
    assert used.times == 3000


def test_more_keys_than_a_message_has(
    engine: Engine, store: Store, tenant: Tenant, usage: Usage
) -> None:
    # The keys that exist are the first one, the last one, and one in the middle.
    known = [samples.key_of(tenant.tenancy.environment, id=f"ak_{digit * 32}") for digit in "08f"]
    for number, key in enumerate(known):
        result_of(store.add_key(key, bytes([number]) * 32, samples.event_of(key)))
    unknown = [f"ak_{number:032x}" for number in range(1, 2**128, 2**128 // 2_500)]
    for key_id in (*unknown, *(key.id for key in known)):
        usage.count(key_id, USED, NOON, None)
    for _ in range(2):
        usage.count(known[1].id, "EXPIRED", NOON, "203.0.113.7")
    result_of(usage.flush())
    assert engine.run("select key_id, outcome, count from key_usage order by key_id, outcome") == [
        (known[0].id, USED, 1),
        (known[1].id, "EXPIRED", 2),
        (known[1].id, USED, 1),
        (known[2].id, USED, 1),
    ]


def test_what_may_be_written_is_not_written_again(
    store: Store, tenant: Tenant, usage: Usage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the wait for a standby is cancelled: PostgreSQL has committed then."""
    add = store.add_usage

    async def unknown(counted: Sequence[Attempts]) -> None:
        await add(counted)
        raise CommitUnknown("the standby has not confirmed the change")

    key = tenant.key.id
    with monkeypatch.context() as patched:
        patched.setattr(store, "add_usage", unknown)
        usage.count(key, USED, NOON, "noon")
        result_of(usage.flush())
    usage.count(key, USED, LATER, "later")
    result_of(usage.flush())
    assert of(store, key) == KeyUsage(Attempts(key, USED, 2, LATER, "later"), ())


def test_failed_writes_are_retried(
    engine: Engine, store: Store, tenant: Tenant, usage: Usage
) -> None:
    key = tenant.key.id
    usage.count(key, USED, NOON, "noon")
    usage.count(key, "EXPIRED", NOON, "noon")
    engine.run("alter table key_usage rename to elsewhere")
    with pytest.raises(StoreUnavailable):
        result_of(store.usage_of([key]))
    result_of(usage.flush())
    usage.count(key, USED, LATER, "later")
    result_of(usage.flush())
    engine.run("alter table elsewhere rename to key_usage")
    result_of(usage.flush())
    assert of(store, key) == KeyUsage(
        Attempts(key, USED, 2, LATER, "later"), (Attempts(key, "EXPIRED", 1, NOON, "noon"),)
    )
