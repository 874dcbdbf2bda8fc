"""New tenants, row by row, and all kinds of callers."""

import hashlib
import secrets
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from support import ON_POSTGRESQL, Database, iso, url_of
from support.postgresql import Session

Headers = dict[str, str]

NOW = datetime.now(UTC)
PAST, FUTURE = iso(NOW - timedelta(hours=1)), iso(NOW + timedelta(days=7))

#: Settings of a server for tests of rights: without rate limits, and with the client's address
#: taken from `X-Forwarded-For`.
UNLIMITED = {
    "HOOKSTREAM_TRUSTED_PROXIES": "127.0.0.1",
    "HOOKSTREAM_RATE_LIMIT": "off",
    "HOOKSTREAM_VALIDATE_RESPONSES": "off",
    "HOOKSTREAM_LOG_LEVEL": "error",
}

#: What is stored of the password `PASSWORD`: one user's is every user's, hashing takes a while.
PASSWORD = "as long as can be"


def new_secret(random: str | None = None) -> str:
    """A key's secret, made apart from the code under test; of `random`, 56 digits, if given."""
    head = "hs_" + "live_" + (random or secrets.token_hex(28))
    return f"{head}{zlib.crc32(head.encode()):08x}"


class Rows:
    """Puts rows into a database: all or none of those of a `with` block."""

    def __init__(self, database: Database) -> None:
        self._connection: Session | sqlite3.Connection
        if ON_POSTGRESQL:
            self._connection = Session(url_of(database.path))
            return
        self._connection = sqlite3.connect(database.path, timeout=30, isolation_level=None)
        # What is lost in a power failure was only for a test.
        self._connection.execute("pragma synchronous = off")

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        self._connection.execute("begin" if ON_POSTGRESQL else "begin immediate")
        try:
            yield
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")

    def read(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        return list(self._connection.execute(sql, values))

    def add(self, table: str, **values: Any) -> str:
        """Add a row; its id."""
        values.setdefault("id", f"{table[:3]}_{secrets.token_hex(16)}")
        names = ", ".join(f'"{name}"' for name in values)
        places = ", ".join("?" for _ in values)
        self._connection.execute(
            f'insert into "{table}" ({names}) values ({places})',
            tuple(values.values()),
        )
        return str(values["id"])

    def add_user(self, **columns: Any) -> str:
        email = f"{secrets.token_hex(8)}@example.com"
        made = {"createdAt": PAST, "updatedAt": PAST, "emailVerified": 1}
        return self.add("user", name="Ada", email=email, **made | columns)

    def add_organization(self) -> str:
        return self.add("organization", name="Org", slug=secrets.token_hex(8), createdAt=PAST)

    def add_environment(self, org: str) -> str:
        slug = secrets.token_hex(8)
        made = {"mode": "live", "created_at": PAST}
        return self.add("environment", org_id=org, name="Env", slug=slug, **made)

    def add_member(self, org: str, user: str, role: str) -> str:
        return self.add("member", organizationId=org, userId=user, role=role, createdAt=PAST)

    def add_session(self, user: str, expires_at: str = FUTURE) -> str:
        token = secrets.token_urlsafe(24)
        made = {"createdAt": PAST, "updatedAt": PAST}
        self.add("session", expiresAt=expires_at, token=token, userId=user, **made)
        return token

    def add_key(self, org: str, env: str, **rules: Any) -> tuple[str, str]:
        """Add a key; its id and its secret."""
        secret = rules.pop("secret", None) or new_secret()
        rules = {"name": "Key", "scopes": "*", "created_at": PAST} | rules
        place = {"org_id": org, "env_id": env, "prefix": secret[:12]}
        return self.add("api_key", digest=_digest(secret), **place, **rules), secret

    def add_rotation(self, key: str, **rules: Any) -> tuple[str, str]:
        """Add a rotation that is pending; its id and the new secret."""
        secret = new_secret()
        usual = {"state": "pending", "grace_period_seconds": 0, "sets_expiry": 0}
        made = {"key_id": key, "prefix": secret[:12], "created_at": PAST}
        return self.add("rotation", digest=_digest(secret), **made, **usual | rules), secret


class Tenant:
    """An organization with an environment, a key in it and a rotation of the key."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.owner, self.maker, user = (rows.add_user() for _ in range(3))
        self.org = rows.add_organization()
        self.env = rows.add_environment(self.org)
        rows.add_member(self.org, self.owner, "owner")
        rows.add_member(self.org, self.maker, "member")
        self.member = rows.add_member(self.org, user, "member")
        made = {"created_by": self.maker, "role": "member"}
        self.key, self.secret = rows.add_key(self.org, self.env, **made)
        self.rotation, self.next_secret = rows.add_rotation(self.key)

    def id_of(self, kind: str) -> str:
        """The id of what it has of a kind of `asking.Slot`."""
        return str(getattr(self, kind))

    def signed_in(self, role: str, expires_at: str = FUTURE) -> Headers:
        """A new user of this role who is signed in."""
        user = self.rows.add_user()
        self.rows.add_member(self.org, user, role)
        return bearer(self.rows.add_session(user, expires_at))

    def with_key(self, env: str | None = None, **rules: Any) -> Headers:
        """A program with a new key."""
        return {"X-API-Key": self.rows.add_key(self.org, env or self.env, **rules)[1]}

    def everything(self) -> list[list[tuple[Any, ...]]]:
        """All that is stored of it, but for who used a key, or tried to."""
        key_ids = "select id from api_key where org_id = ?"
        return [
            self.rows.read(f"select * from {table} where {condition} order by id", self.org)
            for table, condition in (
                ("organization", "id = ?"),
                ('"member"', '"organizationId" = ?'),
                ("environment", "org_id = ?"),
                ("api_key", "org_id = ?"),
                ("rotation", f"key_id in ({key_ids})"),
                ("audit_log", "org_id = ? and action not like '%.refused'"),
            )
        ]


def bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
