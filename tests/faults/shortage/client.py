"""What a client of a server in trouble asks, and what it must be answered."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
from support import Database, Server, Tenant, assert_error

from hookstream_keys.store import open_store

#: How long a server has to find its feet again, in seconds: more than it takes, on any machine.
PATIENCE = 30


@dataclass
class Client:
    """Asks a server, and remembers what it acknowledged."""

    server: Server
    tenant: Tenant
    #: The keys that were made, by their id, with their secrets.
    made: dict[str, str] = field(default_factory=dict)
    #: Those of them that were revoked since.
    revoked: set[str] = field(default_factory=set)
    #: Every request has a connection of its own.
    http: httpx.Client = field(
        default_factory=lambda: httpx.Client(
            timeout=180,
            trust_env=False,
            verify=False,  # noqa: S501 - plain HTTP; to load certificates takes longer than all else
            limits=httpx.Limits(max_keepalive_connections=0),
        )
    )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def create(self, **more: Any) -> httpx.Response:
        body = {"name": "n", "org_id": self.tenant.org_id, "env_id": self.tenant.env_id, **more}
        answer = self.ask("POST", "/auth/api-keys", json=body)
        if answer.status_code == httpx.codes.CREATED:
            self.made[answer.json()["id"]] = answer.json()["key"]
        return answer

    def revoke(self, key_id: str) -> httpx.Response:
        answer = self.ask("DELETE", f"/auth/api-keys/{key_id}")
        if answer.is_success:
            self.revoked.add(key_id)
        return answer

    def verify(self, secret: str) -> httpx.Response:
        return self.ask("POST", "/auth/api-keys/verify", json={"key": secret})

    def ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"X-API-Key": self.tenant.key, **arguments.pop("headers", {})}
        return self.http.request(method, self.server.url + path, headers=headers, **arguments)

    def is_ready(self) -> bool:
        """Whether the server reports ready; a negative answer must be well-formed."""
        answer = self.ask("GET", "/health/ready")
        if answer.status_code == httpx.codes.OK:
            return True
        assert_unavailable(answer)
        return False

    def is_alive(self) -> bool:
        return self.ask("GET", "/health").status_code == httpx.codes.OK

    def codes(self) -> dict[str, str]:
        """What the server says of every key that it acknowledged, by the key's id."""
        return {key_id: self.verify(secret).json()["code"] for key_id, secret in self.made.items()}

    def expected_codes(self) -> dict[str, str]:
        return {key_id: "REVOKED" if key_id in self.revoked else "VALID" for key_id in self.made}

    def assert_whole(self) -> None:
        """All that was acknowledged is there, in the server and in the file, and all is sound."""
        assert self.codes() == self.expected_codes()
        self.assert_stored()

    def assert_stored(self) -> None:
        """All that was acknowledged is in the file, and all is sound; no server need run."""
        assert_sound(self.server.database)
        rows = self.server.database.execute("select id, revoked_at is not null from api_key")
        stored = {key_id: bool(revoked) for key_id, revoked in rows}
        assert {key_id: stored.get(key_id) for key_id in self.made} == {
            key_id: key_id in self.revoked for key_id in self.made
        }


def assert_unavailable(answer: httpx.Response) -> None:
    """503 in the one shape, and when to try again."""
    assert_error(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0


def assert_sound(database: Database) -> None:
    """SQLite's integrity check passes, and the audit log is one unbroken chain."""
    with closing(sqlite3.connect(database.path)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert connection.execute("pragma foreign_key_check").fetchall() == []
    store = open_store(f"sqlite:///{database.path}")
    try:
        assert store.check_audit_log().fault is None
    finally:
        store.close()


def eventually(condition: Callable[[], Any], what: str, within: float = PATIENCE) -> float:
    """Wait until `condition` holds, and say how many seconds that took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < within, f"not within {within} seconds: {what}"
        time.sleep(0.1)
    return time.monotonic() - begun
