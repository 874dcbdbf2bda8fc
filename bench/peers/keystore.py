"""The database work of the bare and the FastAPI peer: the statements that hookstream-keys runs.

They serve a database that hookstream-keys made, and what they write into it is what it
would write: `hookstream-keys audit verify` passes afterwards. Only Python's own library,
so that each peer brings what it is about.
"""

import hashlib
import json
import os
import re
import secrets
import sqlite3
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

_COLUMNS = (
    "id, org_id, env_id, name, prefix, scopes, created_by, created_at, enabled, expires_at,"
    " allowed_ips, metadata, external_id, rate_limit, revoked_at, revocation_reason"
)
_FIND_KEY = f"select {_COLUMNS} from api_key where digest = ?"
_FIND_ENVIRONMENT = "select org_id, mode from environment where id = ? and deleted_at is null"
_ADD_KEY = (
    "insert into api_key (id, digest, org_id, env_id, name, prefix, scopes, created_by, created_at)"
    " values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_AUDIT_COLUMNS = (
    "seq", "id", "org_id", "env_id", "user_id", "api_key_id", "action", "resource_type",
    "resource_id", "details", "ip_address", "request_id", "created_at",
)  # fmt: skip
_ADD_EVENT = (
    f"insert into audit_log ({', '.join(_AUDIT_COLUMNS)}, hash)"
    f" values ({', '.join('?' for _ in _AUDIT_COLUMNS)}, ?)"
)
_FORM = re.compile(r"hs_(?:live|test)_[0-9a-f]{64}", re.ASCII)


class Key(NamedTuple):
    """A row of `api_key`."""

    id: str
    org_id: str
    env_id: str
    name: str
    prefix: str
    scopes: str
    created_by: str | None
    created_at: str
    enabled: int
    expires_at: str | None
    allowed_ips: str
    metadata: str
    external_id: str | None
    rate_limit: str | None
    revoked_at: str | None
    revocation_reason: str | None


class NoEnvironment(Exception):
    """The environment does not exist, or belongs to another organization."""


def connect(database: str) -> sqlite3.Connection:
    """A connection with the durability that hookstream-keys has."""
    connection = sqlite3.connect(database, timeout=5, isolation_level=None)
    connection.execute("pragma foreign_keys = on")
    connection.execute("pragma synchronous = full")
    return connection


def find_key(connection: sqlite3.Connection, secret: str) -> Key | None:
    """The key with this secret. What has not a key's form never reaches the database."""
    if not _FORM.fullmatch(secret) or f"{zlib.crc32(secret[:-8].encode()):08x}" != secret[-8:]:
        return None
    digest = hashlib.sha256(secret.encode()).digest()
    row = connection.execute(_FIND_KEY, (digest,)).fetchone()
    return Key._make(row) if row else None


def problem(key: Key, now: str) -> str | None:
    """Why the key is not valid at the moment `now`, if it is not."""
    if key.revoked_at is not None:
        return "REVOKED"
    if not key.enabled:
        return "DISABLED"
    if key.expires_at is not None and key.expires_at <= now:
        return "EXPIRED"
    return "IP_NOT_ALLOWED" if key.allowed_ips else None


def create_key(
    connection: sqlite3.Connection,
    caller: Key,
    *,
    org_id: str,
    env_id: str,
    name: str,
    scopes: str,
    address: str | None,
    canonical: Callable[[dict[str, Any]], bytes],
) -> tuple[str, str, str]:
    """Issue a key and record it in the audit log, in one transaction, on the disk on return.

    `canonical` writes a row as JSON with sorted keys. Returns id, secret and the time. Raises
    NoEnvironment.
    """
    connection.execute("begin immediate")
    try:
        head = f"hs_{_mode(connection, caller, org_id, env_id)}_{secrets.token_hex(28)}"
        secret = f"{head}{zlib.crc32(head.encode()):08x}"
        key_id, prefix, created_at = new_id("ak"), secret[:12], now()
        digest = hashlib.sha256(secret.encode()).digest()
        connection.execute(
            _ADD_KEY,
            (key_id, digest, org_id, env_id, name, prefix, scopes, caller.id, created_at),
        )
        details = {"env_id": env_id, "name": name, "key_prefix": prefix, "scopes": scopes}
        _record(connection, caller, key_id, details, created_at, address, canonical)
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")
    return key_id, secret, created_at


def new_id(kind: str) -> str:
    """A new identifier: random, or with BENCH_ORDERED=1 in the order of time, as ours are."""
    if os.environ.get("BENCH_ORDERED"):
        return f"{kind}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"
    return f"{kind}_{secrets.token_hex(16)}"


def now() -> str:
    """The moment as hookstream-keys writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _mode(connection: sqlite3.Connection, caller: Key, org_id: str, env_id: str) -> str:
    found = connection.execute(_FIND_ENVIRONMENT, (env_id,)).fetchone()
    if found is None or found[0] != org_id or caller.env_id != env_id:
        raise NoEnvironment
    mode: str = found[1]
    return mode


def _record(
    connection: sqlite3.Connection,
    caller: Key,
    key_id: str,
    details: dict[str, str],
    created_at: str,
    address: str | None,
    canonical: Callable[[dict[str, Any]], bytes],
) -> None:
    """Add the next link to the audit log's chain."""
    last, previous = connection.execute("select seq, hash from audit_head").fetchone()
    values = (
        last + 1, new_id("al"), caller.org_id, caller.env_id, None, caller.id,
        "api_key.created", "api_key", key_id, json.dumps(details, separators=(",", ":")), address,
        f"req_{secrets.token_hex(16)}", created_at,
    )  # fmt: skip
    row = canonical(dict(zip(_AUDIT_COLUMNS, values, strict=True)))
    link = hashlib.sha256(bytes.fromhex(previous) + row).hexdigest()
    connection.execute(_ADD_EVENT, (*values, link))
    connection.execute("update audit_head set seq = ?, hash = ?", (last + 1, link))
