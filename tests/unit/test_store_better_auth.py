"""Columns of better-auth's plugins: looked for at the start, read in every form, never required."""

from pathlib import Path
from typing import Any

import pytest
from support.results import result_of
from unit import samples
from unit.conftest import Sqlite

from hookstream_keys.store import Ban, SqliteStore, Tenant
from hookstream_keys.store.sql.better_auth import is_not_false, is_true

NOON = samples.NOON
BEFORE, AFTER = "2026-11-24T11:59:59.999Z", "2026-11-24T12:00:00.001Z"
NOON_IN_MILLISECONDS = 1_795_521_600_000
PLUGINS = {"banned": "integer", "banReason": "text", "banExpires": "date", "twoFactorEnabled": ""}


@pytest.fixture
def tenant(sqlite: Sqlite) -> Tenant:
    """One that is there before the store under test is opened, with a session."""
    store = SqliteStore(sqlite.path)
    store.migrate()
    stored = samples.tenant()
    result_of(store.add_first_tenant(stored))
    store.close()
    sqlite.add_session("token", stored.user.id, "2027-01-01T00:00:00.000Z")
    return stored


def opened(sqlite: Sqlite, *columns: str) -> SqliteStore:
    """The store as a server opens it, where these plugin columns have been added."""
    for name in columns:
        sqlite.run(f'alter table "user" add column "{name}" {PLUGINS[name]}')
    store = SqliteStore(sqlite.path)
    store.migrate()
    return store


def set_user(sqlite: Sqlite, **columns: Any) -> None:
    for name, value in columns.items():
        sqlite.run(f'update "user" set "{name}" = ?', value)


def test_no_plugin_is_required(sqlite: Sqlite, tenant: Tenant) -> None:
    store = opened(sqlite)
    found = result_of(store.find_user(tenant.user.id))
    assert found == tenant.user
    assert (found.ban, found.two_factor_enabled) == (None, False)
    assert result_of(store.find_session("token", NOON)) is not None


@pytest.mark.parametrize("columns", [("banned",), ("twoFactorEnabled",), ("banExpires",)])
def test_one_plugin_column_is_enough(
    sqlite: Sqlite, tenant: Tenant, columns: tuple[str, ...]
) -> None:
    store = opened(sqlite, *columns)
    assert result_of(store.find_user(tenant.user.id)) == tenant.user
    assert result_of(store.find_session("token", NOON)) is not None
    set_user(sqlite, **dict.fromkeys(columns, 1))
    found = result_of(store.find_user_by_email(tenant.user.email))
    assert found is not None
    assert (found.ban == Ban(None)) is ("banned" in columns)
    assert found.two_factor_enabled is ("twoFactorEnabled" in columns)
    assert (result_of(store.find_session("token", NOON)) is None) is ("banned" in columns)


def test_columns_that_come_later_are_found_at_the_next_start(
    sqlite: Sqlite, tenant: Tenant
) -> None:
    before = opened(sqlite)
    assert result_of(before.find_session("token", NOON)) is not None
    after = opened(sqlite, "banned")
    set_user(sqlite, banned=1)
    assert result_of(before.find_session("token", NOON)) is not None
    assert result_of(after.find_session("token", NOON)) is None
    before.migrate()
    assert result_of(before.find_session("token", NOON)) is None


@pytest.mark.parametrize(
    ("value", "banned"),
    [
        (0, False), (None, False), ("", False), ("0", False), ("false", False), ("FALSE", False),
        (1, True), ("1", True), ("true", True), ("True", True), (1.0, True), ("yes", True),
        # What cannot be read bans.
        ("maybe", True), (b"\1", True), (2, True),
    ],
)  # fmt: skip
def test_a_ban_is_read_in_every_form(
    sqlite: Sqlite, tenant: Tenant, value: Any, *, banned: bool
) -> None:
    store = opened(sqlite, "banned", "banExpires")
    set_user(sqlite, banned=value)
    found = result_of(store.find_credential(tenant.user.email))
    assert found is not None
    assert (found[0].ban is not None) is banned
    assert (result_of(store.find_session("token", NOON)) is None) is banned
    assert (result_of(store.find_session_by_id("id-of-token", NOON)) is None) is banned


@pytest.mark.parametrize(
    "expires",
    [
        "2026-11-24T12:00:00.000Z",
        "2026-11-24T14:00:00+02:00",
        "2026-11-24 12:00:00",
        NOON_IN_MILLISECONDS,
        float(NOON_IN_MILLISECONDS),
    ],
)
def test_the_expiry_of_a_ban_is_read_in_every_form(
    sqlite: Sqlite, tenant: Tenant, expires: str | float
) -> None:
    store = opened(sqlite, "banned", "banExpires")
    set_user(sqlite, banned=1, banExpires=expires)
    found = result_of(store.find_user(tenant.user.id))
    assert found is not None
    assert found.ban == Ban(NOON)
    for now, holds in ((BEFORE, True), (NOON, True), (AFTER, False)):
        assert found.ban.holds(now) is holds
        assert (result_of(store.find_session("token", now)) is None) is holds


@pytest.mark.parametrize("expires", [None, "", 0, "soon", b"\0", 10**18, -(10**18)])
def test_an_unreadable_expiry_is_none(sqlite: Sqlite, tenant: Tenant, expires: Any) -> None:
    store = opened(sqlite, "banned", "banExpires")
    set_user(sqlite, banned=1, banExpires=expires)
    found = result_of(store.find_user(tenant.user.id))
    assert found is not None
    assert found.ban == Ban(None)
    assert result_of(store.find_session("token", "9999-01-01T00:00:00.000Z")) is None


@pytest.mark.parametrize(
    ("value", "verified"),
    [
        (1, True), ("1", True), ("true", True), (1.0, True),
        (0, False), ("0", False), ("false", False), ("", False),
        # What cannot be read verifies nothing.
        ("maybe", False), (b"\1", False),
    ],
)  # fmt: skip
def test_a_verified_address_is_read_in_every_form(
    sqlite: Sqlite, tenant: Tenant, value: Any, *, verified: bool
) -> None:
    store = opened(sqlite)
    set_user(sqlite, emailVerified=value)
    found = result_of(store.find_user(tenant.user.id))
    assert found is not None
    assert found.email_verified is verified


def test_an_unreadable_flag_grants_nothing() -> None:
    assert not is_true("perhaps")
    assert is_not_false("perhaps")


def test_a_missing_database_has_no_columns(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "keys.db")
    store.migrate()
    assert {"id", "email"} <= store.user_columns
    assert "banned" not in store.user_columns
