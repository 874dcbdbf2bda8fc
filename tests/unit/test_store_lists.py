"""Lists: every filter finds what it should, at a cost that does not depend on how much there is."""

import itertools
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.results import result_of
from unit import samples
from unit.conftest import Sqlite

from hookstream_keys.contract.types import KeyState
from hookstream_keys.store import (
    ApiKey,
    AuditFilter,
    KeyFilter,
    Page,
    SqliteStore,
    Tenant,
)
from hookstream_keys.store.sql import scans

NOW = "2026-11-24T12:00:00.000Z"
LATER, EARLIER = "2026-11-25T12:00:00.000Z", "2026-11-23T12:00:00.000Z"
STATES: tuple[KeyState, ...] = ("active", "expired", "disabled", "revoked")


@pytest.fixture
def home(opened: SqliteStore) -> Tenant:
    tenant = samples.tenant()
    assert result_of(opened.add_first_tenant(tenant))
    return tenant


def add_keys(sqlite: Sqlite, tenant: Tenant, count: int, **changes: str | int | None) -> None:
    """Add keys of one time each, or with these values of their columns."""
    values = {
        "org_id": tenant.tenancy.organization.id,
        "env_id": tenant.tenancy.environment.id,
        "name": "Key",
        "created_by": "usr_1",
        "enabled": 1,
        "expires_at": None,
        "revoked_at": None,
        **changes,
    }
    sqlite.run(
        f"""with recursive n (i) as (select 1 union all select i + 1 from n where i < {count})
            insert into api_key (id, digest, prefix, scopes, created_at, {", ".join(values)})
            select 'ak_' || lower(hex(randomblob(16))), randomblob(32), 'hs_live_abcd', '*',
                   strftime('%Y-%m-%dT%H:%M:%fZ', '2025-01-01', (i * 0.001) || ' seconds'),
                   {", ".join("?" for _ in values)} from n""",
        *values.values(),
    )


def add_events(sqlite: Sqlite, tenant: Tenant, count: int, **changes: str | None) -> None:
    """Add rows to the audit log, with no chain: lists do not read it."""
    values = {
        "org_id": tenant.tenancy.organization.id,
        "env_id": tenant.tenancy.environment.id,
        "action": "api_key.created",
        "resource_type": "api_key",
        "resource_id": "ak_1",
        "details": "{}",
        **changes,
    }
    sqlite.run(
        f"""with recursive n (i) as (select 1 union all select i + 1 from n where i < {count})
            insert into audit_log (id, request_id, created_at, hash, {", ".join(values)})
            select 'al_' || lower(hex(randomblob(16))), 'req_1', '{NOW}',
                   lower(hex(randomblob(32))), {", ".join("?" for _ in values)} from n""",
        *values.values(),
    )
    sqlite.run("update audit_head set seq = (select max(seq) from audit_log)")


# What is found


def all_pages(store: SqliteStore, wanted: KeyFilter, limit: int) -> tuple[list[ApiKey], list[int]]:
    """The keys of all pages, and how many each page has."""
    found: list[ApiKey] = []
    sizes = []
    before = None
    while True:
        part = result_of(store.list_keys(wanted, Page(limit, before)))
        found += part.items
        sizes.append(len(part.items))
        if len(part.items) == limit:
            before = part.items[-1].created_at, part.items[-1].id
        elif part.position is not None:
            before = part.position
        else:
            return found, sizes


def state_of(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if not key.enabled:
        return "disabled"
    return "expired" if key.expires_at is not None and key.expires_at <= NOW else "active"


@pytest.mark.parametrize("most", [3, 1_000])
def test_filters_of_keys_are_joined_by_and(
    opened: SqliteStore, home: Tenant, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(scans, "MAX_SCANNED", most)
    org = home.tenancy.organization
    environments = [home.tenancy.environment, samples.environment(org, slug="second")]
    result_of(opened.add_environment(environments[1], samples.event_of(home.key)))
    made = [home.key]
    every = itertools.product(
        environments,
        ("one", "two"),
        ("usr_1", "usr_2"),
        (None, EARLIER, LATER),
        (True, False),
        (None, NOW),
    )
    for number, (environment, key_name, by, expires_at, enabled, revoked_at) in enumerate(every):
        key = samples.key_of(
            environment,
            name=key_name,
            created_by=by,
            expires_at=expires_at,
            enabled=enabled,
            revoked_at=revoked_at,
            created_at=f"2026-11-20T12:00:00.{number // 2:03}Z",
        )
        result_of(opened.add_key(key, secrets.token_bytes(32), samples.event_of(key)))
        made.append(key)
    made.sort(key=lambda key: (key.created_at, key.id), reverse=True)
    for env_id, name, creator, state in itertools.product(
        (None, environments[1].id), (None, "two"), (None, "usr_1"), (None, *STATES)
    ):
        wanted = KeyFilter(org.id, NOW, env_id=env_id, name=name, created_by=creator, state=state)
        expected = [
            key
            for key in made
            if env_id in (None, key.env_id)
            and name in (None, key.name)
            and creator in (None, key.created_by)
            and state in (None, state_of(key))
        ]
        found, sizes = all_pages(opened, wanted, limit=4)
        assert found == expected, wanted
        assert max(sizes) <= 4
    assert all_pages(opened, KeyFilter("org_none", NOW, env_id=environments[0].id), 4)[0] == []


def test_a_scan_that_finds_nothing_says_where_it_ended(
    opened: SqliteStore, home: Tenant, sqlite: Sqlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scans, "MAX_SCANNED", 10)
    add_keys(sqlite, home, 25)
    env_id = home.tenancy.environment.id
    wanted = KeyFilter(home.tenancy.organization.id, NOW, env_id=env_id, name="none")
    _, sizes = all_pages(opened, wanted, limit=5)
    # 26 keys, 10 for each page.
    assert sizes == [0, 0, 0]


def test_a_cursor_tells_nothing_of_another_environment_s_resource(
    opened: SqliteStore, home: Tenant, sqlite: Sqlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scans, "MAX_SCANNED", 10)
    add_events(sqlite, home, 30, env_id="env_2")
    org_id = home.tenancy.organization.id
    mine = AuditFilter(org_id, env_id=home.tenancy.environment.id, resource_id="ak_1")
    assert result_of(opened.list_events(mine, before=None, limit=5)) == ([], None)
    every = AuditFilter(org_id, resource_id="ak_1", action="api_key.revoked")
    found = result_of(opened.list_events(every, before=None, limit=5))
    assert found.items == []
    assert found.position is not None
    assert result_of(opened.find_event_position(org_id, found.position)) is not None


# What it costs

Query = Callable[[SqliteStore, Tenant], Any]


def keys(**given: Any) -> Query:
    def query(store: SqliteStore, tenant: Tenant) -> Any:
        env_id = tenant.tenancy.environment.id if given.get("env_id") else None
        wanted = KeyFilter(tenant.tenancy.organization.id, NOW, **{**given, "env_id": env_id})
        return result_of(store.list_keys(wanted, Page(50)))

    return query


def events(**given: Any) -> Query:
    def query(store: SqliteStore, tenant: Tenant) -> Any:
        env_id = tenant.tenancy.environment.id if given.get("env_id") else None
        wanted = AuditFilter(tenant.tenancy.organization.id, **{**given, "env_id": env_id})
        return result_of(store.list_events(wanted, before=None, limit=50))

    return query


_COMBINED = [
    {
        name: value
        for name, value in zip(("env_id", "name", "created_by", "state"), each, strict=True)
        if value
    }
    for each in itertools.product(
        (None, "env"), (None, "none"), (None, "usr_none"), (None, *STATES)
    )
]
_COMBINED += [{"name": "Key", "created_by": "usr_none"}, {"name": "Key", "state": "revoked"}]
_OF_EVENTS = [
    {
        name: value
        for name, value in zip(
            ("env_id", "resource_id", "action", "resource_type"), each, strict=True
        )
        if value
    }
    for each in itertools.product(
        (None, "env"), (None, "ak_1"), (None, "api_key.none"), (None, "api_key", "none")
    )
]


def steps(store: SqliteStore, query: Callable[[], Any]) -> int:
    """How many instructions of SQLite's virtual machine a query takes, in tens."""
    count = 0

    def counted() -> int:
        nonlocal count
        count += 1
        return 0

    store.connection().set_progress_handler(counted, 10)
    try:
        query()
    finally:
        store.connection().set_progress_handler(None, 0)
    return count


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[SqliteStore, Tenant]]]:
    """Two databases, the second with four times as many rows of every kind."""
    made = []
    for rows in (500, 2_000):
        sqlite = Sqlite(tmp_path_factory.mktemp("lists"))
        store = SqliteStore(sqlite.path)
        store.migrate()
        tenant = samples.tenant()
        assert result_of(store.add_first_tenant(tenant))
        fill(sqlite, tenant, rows)
        made.append((store, tenant))
    yield made
    for store, _ in made:
        store.close()


def fill(sqlite: Sqlite, tenant: Tenant, rows: int) -> None:
    org_id, user_id = tenant.tenancy.organization.id, tenant.user.id
    for state in (
        {},
        {"expires_at": LATER},
        {"expires_at": EARLIER},
        {"enabled": 0},
        {"revoked_at": NOW},
    ):
        add_keys(sqlite, tenant, rows, **state)
    add_events(sqlite, tenant, rows)
    add_events(sqlite, tenant, rows, action="session.created", resource_type="session", env_id=None)
    number = f"with recursive n (i) as (select 1 union all select i + 1 from n where i < {rows})"
    sqlite.run(
        f"""{number} insert into rotation (id, key_id, digest, prefix, state, grace_period_seconds,
                sets_expiry, expires_at, created_at)
            select 'rot_' || i, ?, randomblob(32), 'hs_live_abcd',
                   iif(i % 2, 'grace', 'cancelled'), 0, 0, iif(i % 2, '{EARLIER}', null), '{NOW}'
            from n""",
        tenant.key.id,
    )
    sqlite.run(
        f"""{number} insert into environment (id, org_id, name, slug, mode, created_at, deleted_at)
            select 'env_' || i, ?, 'E', 's' || i, 'live', '{NOW}', '{NOW}' from n""",
        org_id,
    )
    sqlite.run(
        f"""{number} insert into organization (id, name, slug, "createdAt")
            select 'org_' || i, 'O', 's' || i, '{NOW}' from n"""
    )
    sqlite.run(
        f"""{number} insert into "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
            select 'usr_' || i, 'U', 'u' || i, 1, '{NOW}', '{NOW}' from n"""
    )
    for of, who in ((f"'{org_id}'", "'usr_' || i"), ("'org_' || i", f"'{user_id}'")):
        sqlite.run(
            f"""{number} insert into "member" (id, "organizationId", "userId", role, "createdAt")
                select {of} || i, {of}, {who}, 'member', '{EARLIER}' from n"""
        )
    sqlite.add_session("token", user_id, LATER)


OTHERS: dict[str, Query] = {
    "organizations of a user": lambda store, of: result_of(
        store.list_organizations(of.user.id, Page(50))
    ),
    "members": lambda store, of: result_of(
        store.list_members(of.tenancy.organization.id, Page(50))
    ),
    "environments": lambda store, of: result_of(
        store.list_environments(of.tenancy.organization.id, None, Page(50))
    ),
    "rotations of a key": lambda store, of: result_of(store.rotations_of([of.key.id], NOW)),
    "role of a member": lambda store, of: result_of(
        store.role_in(of.tenancy.organization.id, of.user.id)
    ),
    "first organization": lambda store, of: result_of(store.first_organization_of(of.user.id)),
    "session": lambda store, _: result_of(store.find_session("token", NOW)),
    "last owner": lambda store, of: result_of(
        store.update_member(
            of.tenancy.organization.id,
            of.tenancy.member.id,
            "owner,admin",
            samples.event_of(of.key),
        )
    ),
}


@pytest.mark.parametrize(
    "query",
    [
        *(pytest.param(keys(**each), id=f"keys {each}") for each in _COMBINED),
        *(pytest.param(events(**each), id=f"events {each}") for each in _OF_EVENTS),
        *(pytest.param(query, id=name) for name, query in OTHERS.items()),
    ],
)
def test_the_cost_does_not_depend_on_the_number_of_rows(
    sizes: list[tuple[SqliteStore, Tenant]], query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scans, "MAX_SCANNED", 100)
    few, many = (steps(store, lambda: query(store, tenant)) for store, tenant in sizes)  # noqa: B023
    # Four times as many rows; what grows is the depth of an index.
    assert many <= few * 1.3 + 20


def test_a_page_of_large_rows_is_not_read_whole(
    opened: SqliteStore, home: Tenant, sqlite: Sqlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scans, "MAX_BYTES", 1_000)
    for size in (300, 2_000, 300, 400, 400, 400):
        add_events(sqlite, home, 1, action="x.y", details=f'{{"a":"{"x" * size}"}}')
    org_id = home.tenancy.organization.id
    sizes, before = [], None
    while True:
        part = result_of(
            opened.list_events(AuditFilter(org_id, action="x.y"), before=before, limit=5)
        )
        sizes.append([len(each.details["a"]) for each in part.items])
        if part.position is None:
            break
        before = result_of(opened.find_event_position(org_id, part.position))
    assert sizes == [[400, 400], [400, 300], [2_000], [300]]
