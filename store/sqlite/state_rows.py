"""The rows that the audit log describes, in the names and formats of its events.

They are read from the live database, or from a backup that is attached beside it. Another
program may have changed a row: unreadable fields are reported, not raised.
"""

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from hookstream_keys.store import audit_details
from hookstream_keys.store.expected_state import Kind
from hookstream_keys.store.sql import better_auth, keys, rotations
from hookstream_keys.store.sql.connection import Row
from hookstream_keys.store.state_check import FoundRow

_UNREADABLE = (ValueError, TypeError, AttributeError, OverflowError, OSError)

_KEY_COLUMNS = [name.strip() for name in keys.COLUMNS.split(",")]
_ROTATION_COLUMNS = [name.strip() for name in rotations.COLUMNS.split(",")]
_ENVIRONMENT_COLUMNS = ["id", "org_id", "name", "slug", "mode", "created_at", "deleted_at"]
_DELETION_COLUMNS = ["id", "kind", "org_id", "deleted_at", "reason", "request_id", "user_id",
                     "api_key_id"]  # fmt: skip
_MEMBER_COLUMNS = ["id", '"organizationId"', '"userId"', "role", '"createdAt"']

#: The table of each kind.
TABLES: dict[Kind, str] = {
    "organization": '"organization"',
    "environment": "environment",
    "api_key": "api_key",
    "rotation": "rotation",
    "member": '"member"',
    "pending_deletion": "pending_deletion",
}


def read(
    connection: sqlite3.Connection,
    kind: Kind,
    *,
    schema: str = "main",
    where: str = "true",
    values: tuple[Any, ...] = (),
) -> Iterator[FoundRow]:
    """The rows of a kind, in the order of their ids, for which `where` is true of the row `t`."""
    columns, found = _READERS[kind]
    extra = f"t.digest, (select org_id from {schema}.api_key where id = t.key_id)"  # noqa: S608
    more = {"api_key": ", t.digest", "rotation": f", {extra}"}.get(kind, "")
    statement = (
        f"select {', '.join(f't.{name}' for name in columns)}{more}"  # noqa: S608 - constants
        f" from {schema}.{TABLES[kind]} t where {where} order by t.id"
    )
    for row in connection.execute(statement, values):
        yield found(row)


def exists(connection: sqlite3.Connection, kind: Kind, row_id: str) -> bool:
    """Whether there is a row of this kind and id."""
    statement = f"select 1 from {TABLES[kind]} where id = ?"  # noqa: S608 - constants
    return connection.execute(statement, (row_id,)).fetchone() is not None


def _key(row: Row) -> FoundRow:
    *values, digest = row
    raw = dict(zip(_KEY_COLUMNS, values, strict=True))
    fields = {
        "org_id": raw["org_id"],
        "env_id": raw["env_id"],
        "key_prefix": raw["prefix"],
        "created_by": raw["created_by"],
        "created_at": raw["created_at"],
        "revoked_at": raw["revoked_at"],
        "revocation_reason": raw["revocation_reason"],
    }
    try:
        fields["secret_fingerprint"] = audit_details.fingerprint(digest)
        fields |= audit_details.key_fields(keys.key_of(tuple(values)))
    except _UNREADABLE as error:
        return _found(raw["id"], raw["org_id"], raw["created_at"], fields, error)
    return _found(raw["id"], raw["org_id"], raw["created_at"], fields)


def _rotation(row: Row) -> FoundRow:
    *values, digest, org_id = row
    rotation = rotations.rotation_of(tuple(values))
    try:
        fields = audit_details.rotation_fields(rotation, digest)
    except _UNREADABLE as error:
        return _found(rotation.id, org_id, rotation.created_at, {}, error)
    return _found(rotation.id, org_id, rotation.created_at, fields)


def _environment(row: Row) -> FoundRow:
    fields = dict(zip(_ENVIRONMENT_COLUMNS[1:], row[1:], strict=True))
    return _found(row[0], fields["org_id"], fields["created_at"], fields)


def _member(row: Row) -> FoundRow:
    member_id, org_id, user_id, role, created_at = row
    fields = {"org_id": org_id, "user_id": user_id, "role": role}
    try:
        return _found(member_id, org_id, better_auth.text(created_at), fields)
    except _UNREADABLE as error:
        return _found(member_id, org_id, None, fields, error)


def _pending_deletion(row: Row) -> FoundRow:
    fields = dict(zip(_DELETION_COLUMNS[1:6], row[1:6], strict=True))
    fields["actor"] = row[6] or row[7]
    return _found(row[0], fields["org_id"], fields["deleted_at"], fields)


def _organization(row: Row) -> FoundRow:
    return _found(row[0], row[0], None, {"name": row[1], "slug": row[2]})


def _found(
    row_id: Any,
    org_id: Any,
    created_at: Any,
    fields: dict[str, Any],
    error: Exception | None = None,
) -> FoundRow:
    """A row. Only a table that was made anew can have anything but text where text is expected."""
    for name, value in fields.items():
        if isinstance(value, bytes):
            fields[name] = repr(value)
    return FoundRow(
        row_id if isinstance(row_id, str) else repr(row_id),
        org_id if isinstance(org_id, str) else repr(org_id),
        created_at if isinstance(created_at, str) else None,
        fields,
        None if error is None else f"cannot be read: {error}",
    )


_READERS: dict[Kind, tuple[list[str], Callable[[Row], FoundRow]]] = {
    "organization": (["id", "name", "slug"], _organization),
    "environment": (_ENVIRONMENT_COLUMNS, _environment),
    "api_key": (_KEY_COLUMNS, _key),
    "rotation": (_ROTATION_COLUMNS, _rotation),
    "member": (_MEMBER_COLUMNS, _member),
    "pending_deletion": (_DELETION_COLUMNS, _pending_deletion),
}
