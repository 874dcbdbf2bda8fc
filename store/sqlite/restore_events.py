"""The changes of a restore, for the audit log: every row that it restores, updates or removes.

The merged copy is `backup`, the database before the restore is `main`. The event of a restored row
has all fields, that of an updated one the old and new values, so that the log still describes the
state.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from hookstream_keys.store import audit_details
from hookstream_keys.store.expected_state import Kind
from hookstream_keys.store.records import RestoreChange
from hookstream_keys.store.sql.pending_deletions import is_pending
from hookstream_keys.store.sqlite import restore_rows, state_rows
from hookstream_keys.store.sqlite.restore_columns import COLUMNS
from hookstream_keys.store.state_check import FoundRow

_NEW = "t.id not in (select id from {other})"
_CHANGED = "select b.id from backup.{table} b join main.{table} m on m.id = b.id where b.id > ? and"

#: The kinds whose changes are recorded, and the action for that.
_UPDATED: dict[Kind, str] = {
    "environment": "environment.restored",
    "api_key": "api_key.restored",
    "member": "member.updated",
}


def changes(connection: sqlite3.Connection, details: Mapping[str, Any]) -> Iterator[RestoreChange]:
    """All changes by replacing the database with the merged copy.

    `details` are recorded for every organization.
    """
    yield from _organizations(connection, details)
    for kind in ("environment", "api_key"):
        yield from _of_kind(connection, kind)
    for row in _only_in(connection, "rotation", "backup"):
        yield _rotation_restored(connection, row)
    yield from _of_kind(connection, "member")
    yield from _organizations_gone(connection)


def unchanged(
    connection: sqlite3.Connection, details: Mapping[str, Any]
) -> Iterator[RestoreChange]:
    """The events where a backup becomes the database: its pending deletions go on there."""
    for (org_id,) in connection.execute(_REMAINING):
        yield RestoreChange("organization.restored", org_id, org_id, details)


_REMAINING = f'select id from "organization" where not {is_pending("id")} order by id'  # noqa: S608
_ORGANIZATIONS = """
    select b.id, b.name, b.slug, m.id, m.name, m.slug
    from backup."organization" b left join main."organization" m on m.id = b.id order by b.id
"""


def _organizations(
    connection: sqlite3.Connection, details: Mapping[str, Any]
) -> Iterator[RestoreChange]:
    for org_id, name, slug, is_there, *before in connection.execute(_ORGANIZATIONS):
        after = {"name": name, "slug": slug}
        more: dict[str, Any] = after
        if is_there is not None:
            different = audit_details.changed(dict(zip(after, before, strict=True)), after)
            more = {"changes": different} if different else {}
        yield RestoreChange("organization.restored", org_id, org_id, {**details, **more})


def _organizations_gone(connection: sqlite3.Connection) -> Iterator[RestoreChange]:
    for org_id, name, slug in connection.execute(
        'select id, name, slug from main."organization"'
        ' where id not in (select id from backup."organization") order by id'
    ):
        called = {"name": name, "slug": slug}
        yield RestoreChange("organization.deleted", org_id, org_id, called)


def _of_kind(connection: sqlite3.Connection, kind: Kind) -> Iterator[RestoreChange]:
    for row in _only_in(connection, kind, "main"):
        yield RestoreChange(f"{kind}.removed", row.org_id, row.id, _all_fields(kind, row))
    for row in _only_in(connection, kind, "backup"):
        yield RestoreChange(f"{kind}.restored", row.org_id, row.id, _all_fields(kind, row))
    for before, after in _changed(connection, kind):
        different = audit_details.changed(
            {name: before.fields.get(name) for name in after.fields}, after.fields
        )
        if different:
            shown = _named(kind, after) | {"changes": different}
            yield RestoreChange(_UPDATED[kind], after.org_id, after.id, shown)


def _only_in(connection: sqlite3.Connection, kind: Kind, schema: str) -> Iterator[FoundRow]:
    other = f"{'main' if schema == 'backup' else 'backup'}.{state_rows.TABLES[kind]}"
    return state_rows.read(connection, kind, schema=schema, where=_NEW.format(other=other))


def _changed(connection: sqlite3.Connection, kind: Kind) -> Iterator[tuple[FoundRow, FoundRow]]:
    """The rows in both with a column that differs: before and after."""
    names = [name for name in COLUMNS[kind] if name in restore_rows.columns(connection, kind)]
    statement = (
        f"{_CHANGED.format(table=state_rows.TABLES[kind])} {restore_rows.differ('b', 'm', names)}"
        f" order by b.id limit {restore_rows.PAGE}"
    )
    last = ""
    while page := [row[0] for row in connection.execute(statement, (last,))]:
        before, after = (_of_ids(connection, kind, schema, page) for schema in ("main", "backup"))
        yield from zip(before, after, strict=True)
        last = page[-1]


def _of_ids(
    connection: sqlite3.Connection, kind: Kind, schema: str, ids: list[str]
) -> list[FoundRow]:
    where = f"t.id in ({', '.join('?' for _ in ids)})"
    return list(state_rows.read(connection, kind, schema=schema, where=where, values=tuple(ids)))


def _rotation_restored(connection: sqlite3.Connection, row: FoundRow) -> RestoreChange:
    key_id = row.fields["key_id"]
    (env_id,) = connection.execute(
        "select env_id from backup.api_key where id = ?", (key_id,)
    ).fetchone()
    details = {"env_id": env_id, "rotation_id": row.id, **row.fields}
    return RestoreChange("api_key.rotation_restored", row.org_id, key_id, details)


def _all_fields(kind: Kind, row: FoundRow) -> dict[str, Any]:
    """All fields of a row except the organization, which the event has itself."""
    return {name: value for name, value in row.fields.items() if name != "org_id"}


def _named(kind: Kind, row: FoundRow) -> dict[str, Any]:
    """The details of a row's event besides the change."""
    if kind == "api_key":
        return {"env_id": row.fields["env_id"], "key_prefix": row.fields["key_prefix"]}
    return {"user_id": row.fields["user_id"]} if kind == "member" else {}
