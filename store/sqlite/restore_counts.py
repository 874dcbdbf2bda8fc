"""How many rows of each kind a restore brings back, changes and removes: all that it changes.

Counted are rows, whatever the column that differs. So the counts have also what the audit log has
no event of: invitations, usage, idempotency records, and columns of better-auth's plugins.
"""

import sqlite3

from hookstream_keys.store.sqlite import restore_rows

#: What a row of each table that is put back is called in the counts.
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
#: Tables that come back only where there is no database; else what is there stays.
PEOPLE = {"user": "user", "account": "account"}
#: What gives access without a key or password, signed-in sessions and links that were mailed: all
#: rows are removed, in the database and in a backup that has some.
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
    """What putting the merged copy, `backup`, in the place of the database, `main`, changes.

    Sessions and verifications are still there.
    """
    found = none()
    for table, kind in KINDS.items():
        found[f"{kind}.restored"] = _only_in(connection, table, "backup", "main")
        found[f"{kind}.removed"] = _only_in(connection, table, "main", "backup")
        found[f"{kind}.updated"] = _different(connection, table)
    return found | _removed(connection, "main")


def alone(connection: sqlite3.Connection) -> Changes:
    """What a copy brings that becomes the database: all that it has, but for its sessions."""
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
    # What a plugin of better-auth has added since the backup is empty again.
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
