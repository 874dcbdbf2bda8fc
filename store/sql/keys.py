"""Keys."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

from hookstream_keys.domain.limits import Limit
from hookstream_keys.domain.quotas import Quota
from hookstream_keys.store.errors import ForeignKeyViolation
from hookstream_keys.store.records import ApiKey, AuditEvent, IdempotencyRecord
from hookstream_keys.store.sql import rotations
from hookstream_keys.store.sql.audit import insert_event
from hookstream_keys.store.sql.connection import Connection, Engine, Row
from hookstream_keys.store.sql.idempotency_records import insert_idempotency_record
from hookstream_keys.store.sql.key_counts import KeyCounts
from hookstream_keys.store.sql.pending_deletions import as_revoked, is_pending, key_is_pending
from hookstream_keys.store.sql.text import assignments, to_json

COLUMNS = (
    "id, org_id, env_id, name, prefix, scopes, created_by, created_at, enabled, expires_at,"
    " allowed_ips, metadata, external_id, rate_limit, revoked_at, revocation_reason, role,"
    " restricted_by"
)


def columns_as_read(alias: str) -> tuple[str, ...]:
    """COLUMNS in a query: a key of what is being deleted is revoked."""
    columns = {name: f"{alias}{name}" for name in map(str.strip, COLUMNS.split(","))}
    columns["revoked_at"] = as_revoked("revoked_at", alias)
    columns["revocation_reason"] = as_revoked("revocation_reason", alias)
    return tuple(columns.values())


def _as_read(alias: str) -> str:
    return ", ".join(columns_as_read(alias))


# All of these are constants of this module; values are bound.
_SELECT = f"select {_as_read('api_key.')} from api_key"  # noqa: S608
_FIND_KEY = f"{_SELECT} where digest = ?"
#: By both kinds of secrets in one statement: between two, the activation by another process could
#: move the secret from where the second looks to where the first has looked.
_FIND_KEY_BY_ANY = f"""
    select {_as_read("api_key.")}, {", ".join("null" for _ in rotations.COLUMNS.split(","))}
    from api_key where digest = :digest
    union all
    select {_as_read("k.")},
           {", ".join(f"r.{column.strip()}" for column in rotations.COLUMNS.split(","))}
    from rotation r join api_key k on k.id = r.key_id where r.digest = :digest
"""  # noqa: S608
_FIND_KEY_BY_ID = f"{_SELECT} where id = ?"
#: Inserts nothing where the environment or organization was deleted.
_ADD_KEY = (
    f"insert into api_key ({COLUMNS}, digest)"  # noqa: S608
    " select ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
    " from environment where id = ? and org_id = ? and deleted_at is null"
    f" and not {is_pending('org_id')}"
)
_SAME_EXPIRY = "update rotation set sets_expiry = 0 where key_id = ? and state = 'pending'"
_CHANGEABLE = (
    "name",
    "scopes",
    "enabled",
    "expires_at",
    "allowed_ips",
    "metadata",
    "external_id",
    "rate_limit",
    "role",
    "restricted_by",
)


class Keys(Engine):
    """Queries and changes of keys."""

    @cached_property
    def _key_counts(self) -> KeyCounts:
        return KeyCounts()

    def look_ahead(self, digests: Sequence[bytes]) -> None:
        self.begin(_FIND_KEY, [(digest,) for digest in digests])

    async def find_key(self, digest: bytes) -> ApiKey | None:
        row = await self.one(_FIND_KEY, (digest,))
        if row is not None:
            return key_of(row)
        row = await self.one(_FIND_KEY_BY_ANY, {"digest": digest})
        if row is None:
            return None
        of_key = len(COLUMNS.split(","))
        key, of_rotation = key_of(row[:of_key]), row[of_key:]
        if of_rotation[0] is None:
            return key
        return replace(key, rotation=rotations.rotation_of(of_rotation))

    async def find_key_by_id(self, key_id: str) -> ApiKey | None:
        row = await self.one(_FIND_KEY_BY_ID, (key_id,))
        return key_of(row) if row else None

    async def add_key(
        self,
        key: ApiKey,
        digest: bytes,
        event: AuditEvent,
        record: IdempotencyRecord | None = None,
        quota: Quota | None = None,
    ) -> None:
        async with self.write_transaction(event.org_id) as connection:
            if record is not None:
                await insert_idempotency_record(connection, record)
            await insert_key(connection, key, digest)
            await self._key_counts.check(connection, key.org_id, key.env_id, key.created_at, quota)
            await insert_event(connection, event)

    async def update_key(
        self,
        org_id: str,
        key_id: str,
        changes: Mapping[str, Any],
        event: AuditEvent,
        quota: Quota | None = None,
    ) -> ApiKey | None:
        values = {name: _stored(changes[name]) for name in _CHANGEABLE if name in changes}
        async with self.write_transaction(event.org_id) as connection:
            row = await connection.one(
                f"update api_key set {assignments(values)}"  # noqa: S608
                " where id = :id and org_id = :org_id and revoked_at is null"
                f" and not {key_is_pending()} returning {COLUMNS}",
                {**values, "id": key_id, "org_id": org_id},
            )
            if row is None:
                return None
            if "expires_at" in values:
                # The latest value applies to a pending secret, too.
                await connection.change(_SAME_EXPIRY, (key_id,))
            key = key_of(row)
            await self._key_counts.check(
                connection, key.org_id, key.env_id, event.created_at, quota
            )
            await insert_event(connection, event)
            return key


async def insert_key(connection: Connection, key: ApiKey, digest: bytes) -> None:
    """Store a key in a transaction. Raises ForeignKeyViolation without its environment."""
    added = await connection.insert(
        _ADD_KEY,
        "api_key",
        (
            key.id,
            key.org_id,
            key.env_id,
            key.name,
            key.prefix,
            key.scopes,
            key.created_by,
            key.created_at,
            int(key.enabled),
            key.expires_at,
            " ".join(key.allowed_ips),
            to_json(key.metadata) if key.metadata else "{}",
            key.external_id,
            key.rate_limit and _stored(key.rate_limit),
            key.revoked_at,
            key.revocation_reason,
            key.role,
            to_json(key.restricted_by) if key.restricted_by else "{}",
            digest,
            key.env_id,
            key.org_id,
        ),
    )
    if added == 0:
        raise ForeignKeyViolation(f"the environment {key.env_id} is gone")


def key_of(row: Row) -> ApiKey:
    """The key of a row of COLUMNS. Raises ValueError or TypeError for an invalid one."""
    # In the order of COLUMNS, which is that of the record's fields.
    enabled, expires_at, allowed_ips, metadata, external_id, rate_limit = row[8:14]
    limits = (
        bool(enabled),
        expires_at,
        tuple(allowed_ips.split()),
        {} if metadata == "{}" else json.loads(metadata),
        external_id,
        None if rate_limit is None else Limit(*map(int, rate_limit.split("/"))),
    )
    return ApiKey(*(row[:8] + limits + row[14:17] + (_restrictions(row[17]),)))


@lru_cache(maxsize=1024)
def _restrictions(stored: str) -> Mapping[str, str]:
    """Cached: there are few, and every use of a key reads one. Shared: not to be changed."""
    found: dict[str, str] = json.loads(stored)
    return found


def _stored(value: Any) -> Any:
    """A record's value as its column stores it."""
    match value:
        case bool():
            return int(value)
        case Mapping():
            return to_json(value)
        case Limit(requests, seconds):
            return f"{requests}/{seconds}"
        case tuple():
            return " ".join(value)
        case _:
            return value
