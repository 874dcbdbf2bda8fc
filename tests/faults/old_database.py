"""Databases of other versions than this one."""

import contextlib
import hashlib
import json
from typing import Any

from sqlite_utils import Database as Tables
from support import Database

from hookstream_keys.store.sqlite.migrations import migrations

#: The step after the last of the old version. It makes the audit log anew, as a chain.
NEXT = "m0004_audit_chain"


def make(database: Database, key: str, rows: int = 20) -> None:
    """Make a database as an early version left it, with this key and so many rows in its log."""
    database.path.touch(0o600)
    tables = Tables(database.path)
    with contextlib.closing(tables.conn):
        tables.enable_wal()
        migrations.apply(tables, stop_before=NEXT)
        with tables.atomic():
            _fill(tables, key, rows)


def make_newer(database: Database) -> None:
    """Pretend that a later version has run a migration."""
    database.execute(
        "insert into _sqlite_migrations (migration_set, name, applied_at)"
        " values ('hookstream-keys', 'm9999_from_the_future', '2026-11-25')"
    )


def steps(database: Database) -> int:
    """How many steps the database has made."""
    return database.count("_sqlite_migrations")


def all_steps() -> int:
    """How many there are."""
    return len(migrations._migrations)


def _fill(tables: Tables, key: str, rows: int) -> None:
    now = "2026-01-01T00:00:00.000Z"
    _insert(tables, "organization", id="org_1", name="Org", slug="org", createdAt=now)
    _insert(
        tables, "environment", id="env_1", org_id="org_1", name="Env", slug="env", mode="live",
        created_at=now,
    )  # fmt: skip
    _insert(
        tables, "api_key", id="ak_1", digest=hashlib.sha256(key.encode()).digest(), org_id="org_1",
        env_id="env_1", name="Old", prefix=key[:12], scopes="*", created_at=now,
    )  # fmt: skip
    details = json.dumps({"name": "Old"})
    for number in range(rows):
        _insert(
            tables, "audit_log", id=f"evt_{number}", org_id="org_1", action="api_key.created",
            resource_type="api_key", resource_id="ak_1", details=details, request_id="req_0",
            created_at=now,
        )  # fmt: skip


def _insert(tables: Tables, table: str, **values: Any) -> None:
    names = ", ".join(f'"{name}"' for name in values)
    places = ", ".join("?" for _ in values)
    tables.execute(f'insert into "{table}" ({names}) values ({places})', list(values.values()))
