"""How many rows of each kind a restore restores, updates and removes.

Rows count if any column differs. So the counts include what has no audit event: invitations, usage,
idempotency records, and columns of better-auth's plugins.
"""

import sqlite3

from hookstream_keys.store.sqlite import restore_rows

#: The name of each restored table in the counts.
KINDS = {
    "organization": "organization",
    "environment": "environment",
    "member": "member",
    "invitation": "invitation",
    "api_key": "api_key",
    "rotation": "rotation",
    "key_usage": "key_usage",
    "receipt": "idempotency_record",
}
#: Tables that are restored only where there is no database.
PEOPLE = {"user": "user", "account": "account"}
#: Sessions and mailed links, which give access without a key or password: all rows are removed.
SESSIONS = {"session": "session", "verification": "verification"}

#: The primary keys that are not `id`.
_KEYS = {"key_usage": ("key_id", "outcome")}

Changes = dict[str, int]


def none() -> Changes:
    """The counts of a restore that changes nothing."""
    return {
        f"{kind}.{done}": 0
        for kind in (*PEOPLE.values(), *KINDS.values(), *SESSIONS.values())
        for done in ("restored", "updated", "removed")
        if done == "removed" or kind not in SESSIONS.values()
    }


def compared(connection: sqlite3.Connection) -> Changes:
    """The changes by replacing the database, `main`, with the merged copy, `backup`.

    Before sessions and verifications are removed.
    """
    found = none()
    for table, kind in KINDS.items():
        found[f"{kind}.restored"] = _only_in(connection, table, "backup", "main")
        found[f"{kind}.removed"] = _only_in(connection, table, "main", "backup")
        found[f"{kind}.updated"] = _different(connection, table)
    return found | _removed(connection, "main")


def alone(connection: sqlite3.Connection) -> Changes:
    """The counts of a copy that becomes the database: all rows except sessions."""
    found = none()
    for table, kind in (KINDS | PEOPLE).items():
        found[f"{kind}.restored"] = _count(connection, f'main."{table}"')
    return found | _removed(connection, "main")


def _removed(connection: sqlite3.Connection, schema: str) -> Changes:
    return {
        f"{kind}.removed": _count(connection, f'{schema}."{table}"')
        for table, kind in SESSIONS.items()
    }


def _only_in(connection: sqlite3.Connection, table: str, schema: str, other: str) -> int:
    same = _same_key(table, "t", "o")
    return _count(
        connection,
        f'{schema}."{table}" t where not exists (select 1 from {other}."{table}" o where {same})',  # noqa: S608 - constants
    )


def _different(connection: sqlite3.Connection, table: str) -> int:
    names = restore_rows.columns(connection, table)
    changed = [restore_rows.differ("b", "m", names)]
    # Columns that a plugin of better-auth has added since the backup become empty.
    there = connection.execute(f'pragma main.table_info("{table}")').fetchall()
    changed += [f"m.{restore_rows.quoted(row[1])} is not null" for row in there
                if row[1] not in names]  # fmt: skip
    return _count(
        connection,
        f'backup."{table}" b join main."{table}" m on {_same_key(table, "b", "m")}'
        f" where {' or '.join(changed)}",
    )


def _same_key(table: str, one: str, other: str) -> str:
    return " and ".join(f"{one}.{name} = {other}.{name}" for name in _KEYS.get(table, ("id",)))


def _count(connection: sqlite3.Connection, rows: str) -> int:
    (count,) = connection.execute(f"select count(*) from {rows}").fetchone()  # noqa: S608 - constants
    return int(count)
