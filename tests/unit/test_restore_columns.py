"""What a restore does to each column, and which of two values is the more restrictive."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database

from hookstream_keys.contract import roles
from hookstream_keys.domain import key_rules, networks
from hookstream_keys.domain.scopes import Scopes
from hookstream_keys.store.sqlite import narrowing
from hookstream_keys.store.sqlite.migrations import migrations
from hookstream_keys.store.sqlite.restore_columns import (
    COLUMNS,
    Narrower,
    Rule,
    columns_of,
    narrower_columns,
)
from hookstream_keys.store.sqlite.restore_rows import narrowed

#: Tables that a restore leaves as they are, and why.
LEFT = {
    "user": "people are as they are now",
    "account": "a password that was changed must not come back",
    "session": "all sessions end",
    "verification": "links that were mailed end",
    "audit_log": "the log goes on",
    "audit_head": "the log goes on",
    "audit_anchor": "the log goes on",
    "audit_checkpoint": "the log goes on, and it is what was pruned of it",
    "pending_deletion": "a restore completes those of the database and of the backup",
    "pending_revocation": "a restore completes those of the database, whose log has the backup's",
    "_sqlite_migrations": "of sqlite-utils: the database is at this version",
}


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as opened:
        migrations.apply(Database(opened))
        yield opened


def test_every_column_of_every_table_that_is_restored_is_classified(
    connection: sqlite3.Connection,
) -> None:
    for table, columns in COLUMNS.items():
        found = [row[1] for row in connection.execute(f'pragma table_info("{table}")')]
        assert sorted(columns) == sorted(found), table
        assert all(isinstance(rule, Rule | Narrower) for rule in columns.values())


def test_every_table_is_restored_or_left_for_a_reason(connection: sqlite3.Connection) -> None:
    found = {
        row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")
    }
    assert found == {*COLUMNS, *LEFT}
    assert not COLUMNS.keys() & LEFT.keys()


def test_tables_come_after_those_that_they_refer_to(connection: sqlite3.Connection) -> None:
    order = list(COLUMNS)
    for table in order:
        for row in connection.execute(f'pragma foreign_key_list("{table}")'):
            assert row[2] in LEFT or order.index(row[2]) < order.index(table)


def test_a_key_s_identity_never_changes_and_its_secret_is_kept() -> None:
    assert {"org_id", "env_id", "created_by"} <= {*columns_of("api_key", Rule.FIXED)}
    assert columns_of("api_key", Rule.KEPT) == ("digest", "prefix")
    rules = {*key_rules.RULES, "restricted_by", "revoked_at"}
    assert rules <= narrower_columns("api_key").keys()


@pytest.mark.parametrize(
    ("choose", "was", "now", "expected"),
    [
        (narrowing.scopes, "a:* b:read", "a:read c:*", "a:read"),
        (narrowing.scopes, "a:read", "b:read", ""),
        (narrowing.networks, "10.0.0.0/8", "", "10.0.0.0/8"),
        (narrowing.networks, "", "10.0.0.0/8", "10.0.0.0/8"),
        (narrowing.networks, "10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/16"),
        (narrowing.networks, "10.0.0.0/8", "192.0.2.0/24", None),
        (narrowing.expiry, None, "2030", "2030"),
        (narrowing.expiry, "2029", "2030", "2029"),
        (narrowing.expiry, None, None, None),
        (narrowing.rate_limit, "10/60", None, "10/60"),
        (narrowing.rate_limit, None, "10/60", "10/60"),
        (narrowing.rate_limit, "10/60", "20/60", "10/60"),
        (narrowing.rate_limit, "20/60", "10/60", "10/60"),
        (narrowing.key_role, "owner", "member", "member"),
        (narrowing.key_role, "member", "owner", "member"),
        (narrowing.key_role, None, "admin", "admin"),
        (narrowing.restrictions, "{}", "{}", "{}"),
        (narrowing.restrictions, '{"scopes":"admin"}', "{}", '{"scopes":"admin"}'),
        (narrowing.restrictions, "{}", '{"scopes":"admin"}', '{"scopes":"admin"}'),
        (
            narrowing.restrictions,
            '{"enabled":"owner","scopes":"admin"}',
            '{"scopes":"owner","enabled":"admin"}',
            '{"scopes":"owner","enabled":"owner"}',
        ),
        (narrowing.revocation, None, "2030", "2030"),
        (narrowing.revocation, "2029", None, "2029"),
        (narrowing.revocation, "2029", "2030", "2030"),
        (narrowing.member_role, "owner", "admin", "admin"),
        (narrowing.member_role, "admin", "owner", "admin"),
        (narrowing.member_role, "admin", "admin,owner", "admin"),
        (narrowing.invitation_status, "pending", "canceled", "canceled"),
        (narrowing.invitation_status, "rejected", "pending", "rejected"),
        (narrowing.moment, "2030-01-01T00:00:00Z", 1_700_000_000_000, 1_700_000_000_000),
        (narrowing.moment, "2030-01-01", "2029-01-01", "2029-01-01"),
    ],
)
def test_of_two_values_the_more_restrictive_wins(
    choose: Any, was: object, now: object, expected: object
) -> None:
    assert choose(was, now) == expected


names = st.sampled_from(["*", "a:*", "a:read", "a:write", "b:*", "b:read", "c"])
scopes = st.lists(names, min_size=1, max_size=4).map(" ".join)
cidr = st.sampled_from(
    ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "192.0.2.0/24", "2001:db8::/32"]
)
allowed = st.lists(cidr, max_size=3, unique=True).map(" ".join)
some_roles = st.sampled_from([None, "owner", "admin", "member", "admin,member", "unknown", ""])


@given(scopes, scopes)
def test_scopes_in_both_are_covered_by_each(was: str, now: str) -> None:
    both = narrowing.scopes(was, now)
    for side in (was, now):
        assert not both or not Scopes.parse(side).beyond(Scopes.parse(both).names)


@given(allowed, allowed)
def test_networks_in_both_are_within_each(was: str, now: str) -> None:
    both = narrowing.networks(was, now)
    for side in filter(None, (was, now)):
        assert both is None or (both and not networks.beyond(side.split(), both.split()))


@given(some_roles, some_roles)
def test_a_restored_role_is_within_the_current_one(was: str | None, now: str | None) -> None:
    chosen = narrowing.key_role(was, now)
    assert chosen in (was, now)
    assert roles.scope_ceiling(chosen) <= roles.scope_ceiling(now)


def test_where_a_value_is_damaged_that_of_now_stays() -> None:
    row = dict.fromkeys(narrower_columns("api_key"), None) | {"rate_limit": "many"}
    assert narrowed("api_key", row, row | {"rate_limit": "10/60"}) == {"rate_limit": "10/60"}
