"""What is PostgreSQL's own: times with microseconds, URLs of several hosts, rows in bulk."""

import dataclasses
import secrets
from typing import Any

import pytest
from support.engines import engines
from support.results import result_of
from unit import samples
from unit.conftest import Postgresql

from hookstream_keys.domain.quotas import Quotas
from hookstream_keys.store import (
    ApiKey,
    ForeignKeyViolation,
    Member,
    Organization,
    Page,
    QuotaReached,
    Store,
    Tenant,
    TransactionConflict,
    User,
)

#: More of them than a page has, in one millisecond.
MICROSECONDS = [f"2026-11-24T12:00:01.{fraction:06}Z" for fraction in range(123_000, 124_000, 111)]


@pytest.fixture
def home(tenant: Tenant) -> Organization:
    return tenant.tenancy.organization


@pytest.fixture
def users(postgresql: Postgresql, tenant: Tenant) -> list[str]:
    """The ids of users of each of these times, newest first."""
    made: list[str] = []
    for moment in MICROSECONDS:
        user = samples.user()
        made.insert(0, user.id)
        postgresql.run(
            """insert into "user" (id, name, email, "emailVerified", "createdAt")
               values (?, 'Ada', ?, false, ?)""",
            user.id,
            user.email,
            moment,
        )
    return [*made, tenant.user.id]


@pytest.fixture
def members(postgresql: Postgresql, home: Organization, users: list[str]) -> None:
    """Each of these users as a member, since the same time."""
    postgresql.run(
        """insert into "member" (id, "organizationId", "userId", role, "createdAt")
           select 'mem_' || id, ?, id, 'member', "createdAt" from "user" where id <> ?""",
        home.id,
        users[-1],
    )


@pytest.fixture
def organizations(postgresql: Postgresql, tenant: Tenant, users: list[str]) -> None:
    """Organizations of each of these times, in which the first user is since then."""
    postgresql.run(
        """insert into organization (id, name, slug, "createdAt")
           select 'org_' || id, 'Org', id, "createdAt" from "user" where id <> ?""",
        tenant.user.id,
    )
    postgresql.run(
        """insert into "member" (id, "organizationId", "userId", role, "createdAt")
           select 'mem_' || id, id, ?, 'member', "createdAt" from organization where id <> ?""",
        tenant.user.id,
        tenant.tenancy.organization.id,
    )


def ids_of_pages(store: Store, kind: str, tenant: Tenant) -> list[str]:
    """The ids of a list, two on each page."""
    found: list[Member] | list[Organization] | list[User]
    ids: list[str] = []
    before = None
    while True:
        page = Page(2, before)
        match kind:
            case "members":
                found = result_of(store.list_members(tenant.tenancy.organization.id, page))
            case "organizations of a user":
                found = result_of(store.list_organizations(tenant.user.id, page))
            case "organizations":
                found = result_of(store.list_all_organizations(page))
            case _:
                found = result_of(store.list_users(page))
        ids += [each.id for each in found]
        if len(found) < page.limit:
            return ids
        last = found[-1]
        joined = last.joined if isinstance(last, Organization) else None
        before = joined or (last.created_at, last.id)


@pytest.mark.usefixtures("members", "organizations")
@pytest.mark.parametrize("kind", ["members", "organizations of a user", "organizations", "users"])
def test_no_row_falls_between_two_pages_whose_time_has_microseconds(
    store: Store, tenant: Tenant, kind: str
) -> None:
    ids = ids_of_pages(store, kind, tenant)
    assert len(ids) == len(set(ids)) == len(MICROSECONDS) + 1


@pytest.mark.parametrize(
    ("no_time", "rows"), [("9999-99-99T99:99:99.999Z", 1), ("0000-00-00T00:00:00.000Z", 0)]
)
def test_a_cursor_may_have_a_time_that_does_not_exist(
    postgresql: Postgresql, store: Store, tenant: Tenant, no_time: str, rows: int
) -> None:
    page = Page(2, (no_time, "id"))
    assert len(result_of(store.list_members(tenant.tenancy.organization.id, page))) == rows
    assert len(result_of(store.list_organizations(tenant.user.id, page))) == rows
    assert len(result_of(store.list_all_organizations(page))) == rows
    assert len(result_of(store.list_users(page))) == rows


# The module imports the driver, which only these environments have.
@pytest.mark.skipif("postgresql" not in engines(), reason="STORE_ENGINES has no postgresql")
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://me@one/db?sslmode=require", ["postgresql://me@one/db?sslmode=require"]),
        (
            "postgresql://me:p%2C@one:5433,[::1]:5434,three/db?sslmode=require",
            [
                "postgresql://me:p%2C@one:5433/db?sslmode=require",
                "postgresql://me:p%2C@[::1]:5434/db?sslmode=require",
                "postgresql://me:p%2C@three/db?sslmode=require",
            ],
        ),
        ("postgresql:///db", ["postgresql:///db"]),
        (
            "postgresql://me@/db?host=/run/a&port=5433",
            ["postgresql://me@/db?host=/run/a&port=5433"],
        ),
        (
            "postgresql://me@/db?host=/run/a,/run/b&port=5433,5434&sslmode=require",
            [
                "postgresql://me@/db?sslmode=require&host=/run/a&port=5433",
                "postgresql://me@/db?sslmode=require&host=/run/b&port=5434",
            ],
        ),
        (
            "postgresql://me@/db?port=5433&host=/run/a,/run/b",
            [
                "postgresql://me@/db?host=/run/a&port=5433",
                "postgresql://me@/db?host=/run/b&port=5433",
            ],
        ),
    ],
)
def test_each_host_of_a_url_on_postgresql(url: str, expected: list[str]) -> None:
    from hookstream_keys.store.postgresql.hosts import urls_of_hosts

    assert urls_of_hosts(url) == expected


def test_jobs_of_one_group_commit_see_one_another(
    store: Store, postgresql: Postgresql, tenant: Tenant
) -> None:
    """Reads are remembered, and new keys are sent later: neither may be noticed."""
    environment = tenant.tenancy.environment
    digests = [secrets.token_bytes(32) for _ in range(3)]
    made = [samples.key_of(environment) for _ in digests]

    async def add(number: int) -> None:
        key = made[number]
        await store.add_key(key, digests[number], samples.event_of(key))

    async def group() -> tuple[ApiKey | None, ...]:
        async with store.group_commit():
            await add(0)
            await add(1)
            before = await store.find_key(digests[0])
            event = samples.event_of(made[0])
            await store.update_key(environment.org_id, made[0].id, {"enabled": False}, event)
            after = await store.find_key(digests[0])
            await add(2)
            return before, after, await store.find_key(digests[2])

    before, after, last = result_of(group())
    assert before is not None
    assert after is not None
    assert last is not None
    assert (before.enabled, after.enabled, last.id) == (True, False, made[2].id)
    assert postgresql.run("select count(*) from api_key") == [(4,)]
    assert store.check_audit_log().fault is None


def test_keys_of_one_group_commit_are_one_message_also_with_a_quota(
    store: Store, postgresql: Postgresql, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hookstream_keys.store.postgresql.pending import Pending

    messages: list[int] = []
    insert = Pending._insert

    async def counted(self: Pending, sql: str, steps: Any) -> None:
        messages.append(len(steps))
        await insert(self, sql, steps)

    monkeypatch.setattr(Pending, "_insert", counted)
    quota = Quotas.of(keys_per_environment=25).keys_per_environment

    async def group(size: int) -> None:
        async with store.group_commit():
            for _ in range(size):
                key = samples.key_of(tenant.tenancy.environment)
                event = samples.event_of(key)
                await store.add_key(key, secrets.token_bytes(32), event, None, quota)

    result_of(group(1))
    messages.clear()
    result_of(group(10))
    result_of(group(10))
    assert messages == [10, 10]
    with pytest.raises(QuotaReached):
        result_of(group(10))
    # The first tenant has a key, too.
    assert postgresql.run("select count(*) from api_key") == [(22,)]
    assert store.check_audit_log().fault is None


def test_a_job_that_fails_takes_its_new_keys_along(
    store: Store, postgresql: Postgresql, tenant: Tenant
) -> None:
    environment = tenant.tenancy.environment
    kept, lost = samples.key_of(environment), samples.key_of(environment)

    class Failure(Exception):
        pass

    async def fail() -> None:
        async with store.write_transaction():  # type: ignore[attr-defined]
            await store.add_key(lost, secrets.token_bytes(32), samples.event_of(lost))
            raise Failure

    async def group() -> None:
        async with store.group_commit():
            await store.add_key(kept, secrets.token_bytes(32), samples.event_of(kept))
            with pytest.raises(Failure):
                await fail()

    result_of(group())
    assert postgresql.run("select id from api_key where id in (?, ?)", kept.id, lost.id) == [
        (kept.id,)
    ]
    assert store.check_audit_log().fault is None


def test_one_of_several_keys_without_their_environment(
    store: Store, postgresql: Postgresql, tenant: Tenant
) -> None:
    environment = tenant.tenancy.environment
    kept = samples.key_of(environment)
    lost = samples.key_of(dataclasses.replace(environment, id="env_gone"))

    async def group(*keys: ApiKey) -> None:
        async with store.group_commit():
            for key in keys:
                await store.add_key(key, secrets.token_bytes(32), samples.event_of(key))

    with pytest.raises(TransactionConflict):
        result_of(group(kept, lost))
    assert postgresql.run("select count(*) from api_key") == [(1,)]
    with pytest.raises(ForeignKeyViolation):
        result_of(group(lost))
    assert store.check_audit_log().fault is None
