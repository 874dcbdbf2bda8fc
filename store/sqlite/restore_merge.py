"""Merging a backup with the database: revocations, restrictions and removals are preserved.

Both are open on one connection, the backup's copy as `backup`, the database as `main`, whose write
lock is held: what is compared is what is replaced. The rules of `restore_columns` turn the copy
into the new state. Each statement or page of rows is bounded: a backup may have millions of rows.
"""

import sqlite3

from hookstream_keys.store.errors import BackupRefused
from hookstream_keys.store.records import Preserved, Restored
from hookstream_keys.store.sqlite import restore_members
from hookstream_keys.store.sqlite.restore_columns import COLUMNS, Rule, columns_of
from hookstream_keys.store.sqlite.restore_rows import (
    columns,
    differ,
    different,
    listed,
    narrowed,
    quoted,
    update,
)

#: The reason for keys of a deleted organization or environment: RFC 5280.
_GONE = "cessationOfOperation"

#: Pending deletions of the backup: their keys are revoked, and their organizations gone.
_COMPLETE_DELETIONS = """
    update backup.api_key set (revoked_at, revocation_reason) =
        (select d.deleted_at, d.reason from backup.pending_deletion d where d.id = env_id)
    where revoked_at is null and env_id in (select id from backup.pending_deletion);
    delete from backup.rotation where key_id in (select id from backup.api_key
        where org_id in (select id from backup.pending_deletion));
    delete from backup.key_usage where key_id in (select id from backup.api_key
        where org_id in (select id from backup.pending_deletion));
    delete from backup.api_key where org_id in (select id from backup.pending_deletion);
    delete from backup.environment where org_id in (select id from backup.pending_deletion);
    delete from backup."member"
        where "organizationId" in (select id from backup.pending_deletion);
    delete from backup."invitation"
        where "organizationId" in (select id from backup.pending_deletion);
    delete from backup."organization" where id in (select id from backup.pending_deletion);
    delete from backup.pending_deletion
"""
#: A deleted key is restored as revoked.
_REVOKE_GONE = """
    update backup.api_key set revoked_at = ?, revocation_reason = ?
    where revoked_at is null and id not in (select id from main.api_key)
"""
#: Keys with a secret in the backup that is neither valid nor pending now.
_ROTATED = """
    select count(distinct key_id) from (
        select key_id, digest, state from backup.rotation
        where key_id in (select id from main.api_key)
        union all
        select id, digest, 'own' from backup.api_key where id in (select id from main.api_key)
        except
        select * from (select key_id, digest, state from main.rotation
                       union all select id, digest, 'own' from main.api_key))
"""
#: A replaced secret has the present expiry.
_KEEP_EXPIRY = """
    update backup.api_key as k set expires_at =
        (select expires_at from main.api_key where id = k.id)
    where exists (select 1 from main.api_key where id = k.id and digest <> k.digest)
"""


def preserve_revocations(connection: sqlite3.Connection, found: Restored, now: str) -> None:
    """Restrict the backup's copy to what is allowed now, and count that in `found`.

    Raises BackupRefused where the backup has another value of a column that never changes.
    """
    for statement in _COMPLETE_DELETIONS.split(";"):
        connection.execute(statement)
    for table in COLUMNS:
        _require_fixed(connection, table)
    preserved = found.preserved
    (preserved.keys_rotated,) = connection.execute(_ROTATED).fetchone()
    preserved.keys_revoked = connection.execute(_REVOKE_GONE, (now, _GONE)).rowcount
    connection.execute(_KEEP_EXPIRY)
    _keep_columns(connection, "api_key")
    _keep_rows(connection, "rotation", of="main.api_key", key="id")
    _keep_rows(connection, "key_usage", of="main.key_usage", key="key_id")
    _narrow_keys(connection, preserved)
    restore_members.preserve_removals(connection, found)


def _require_fixed(connection: sqlite3.Connection, table: str) -> None:
    names = [name for name in columns_of(table, Rule.FIXED) if name != "id"]
    names = [name for name in names if name in columns(connection, table)]
    if not names or "id" not in COLUMNS[table]:
        return
    row = connection.execute(
        f"select b.id, {listed('b', names)}, {listed('m', names)} from backup.{quoted(table)} b"  # noqa: S608
        f" join main.{quoted(table)} m on m.id = b.id where {differ('b', 'm', names)} limit 1"
    ).fetchone()
    if row is not None:
        was, now = row[1 : len(names) + 1], row[len(names) + 1 :]
        (name, *_) = (
            each for each, *pair in zip(names, was, now, strict=True) if len(set(pair)) > 1
        )
        raise BackupRefused(
            f"the {table} {row[0]!a} has another {name} in the backup than in the database, where "
            "that never changes: one of the two was edited. Run hookstream-keys audit verify "
            "--state; to put the backup back all the same, stop the servers and move the database "
            "away"
        )


def _keep_columns(connection: sqlite3.Connection, table: str) -> None:
    """Use the database's values of columns of rows in both."""
    names = list(columns_of(table, Rule.KEPT))
    kept = ", ".join(names)
    connection.execute(
        f"update backup.{table} as b set ({kept}) ="  # noqa: S608 - constants
        f" (select {kept} from main.{table} where id = b.id)"
        f" where exists (select 1 from main.{table} m where id = b.id"
        f" and {differ('b', 'm', names)})"
    )


def _keep_rows(connection: sqlite3.Connection, table: str, *, of: str, key: str) -> None:
    """Use the database's rows of keys that exist."""
    names = ", ".join(COLUMNS[table])
    connection.execute(f"delete from backup.{table} where key_id in (select {key} from {of})")  # noqa: S608
    connection.execute(
        f"insert into backup.{table} ({names}) select {names} from main.{table}"  # noqa: S608
        " where key_id in (select id from backup.api_key)"
    )


def _narrow_keys(connection: sqlite3.Connection, preserved: Preserved) -> None:
    """Use the more restrictive of both values of each rule of keys in both."""
    for key_id, was, now in different(connection, "api_key"):
        values = narrowed("api_key", was, now)
        if "scopes" in values and not values["scopes"]:
            # Without a common value the present one stays, and the key is disabled.
            values |= {"scopes": now["scopes"], "enabled": 0}
        if values.get("allowed_ips", "") is None:
            values |= {"allowed_ips": now["allowed_ips"], "enabled": 0}
        changed = {name: value for name, value in values.items() if value != was[name]}
        if not changed:
            continue
        update(connection, "api_key", key_id, changed)
        if was["revoked_at"] is None:
            is_revoked = changed.get("revoked_at") is not None
            preserved.keys_revoked += is_revoked
            preserved.keys_narrowed += not is_revoked
