"""Two workers that can be told apart: two servers of one process each, on one database file."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from model.model import Span
from support import Database, Server, Tenant, serving

#: A server closes a connection on which nothing was asked for 5 seconds; long before, another is
#: opened, however slow the machine is.
IDLE_SECONDS = 1.0


Headers = dict[str, str]


class Answer(NamedTuple):
    """What a worker answered, and when."""

    status: int
    headers: http.client.HTTPMessage
    body: Any
    when: Span


@dataclass
class Service:
    """The workers, their users, and where keys are created."""

    workers: tuple[Server, Server]
    database: Database
    owner: dict[str, str]
    org_id: str
    #: By mode.
    environments: dict[str, str]
    #: Each thread has one to each worker, and when it was last used.
    _kept: dict[tuple[int, int], tuple[http.client.HTTPConnection, float]] = field(
        default_factory=dict
    )

    def ask(
        self, worker: int, method: str, path: str, body: Any = None, headers: Headers | None = None
    ) -> Answer:
        """Ask one worker, over a connection of this thread that is kept."""
        connection = self._connection(worker)
        content = None if body is None else json.dumps(body)
        sent = {"Content-Type": "application/json"} if content else {}
        before = now()
        connection.request(method, f"/v1{path}", content, sent | (headers or {}))
        response = connection.getresponse()
        text = response.read()
        when = Span(before, now())
        return Answer(response.status, response.headers, json.loads(text) if text else None, when)

    def close(self) -> None:
        for connection, _ in self._kept.values():
            connection.close()

    def _connection(self, worker: int) -> http.client.HTTPConnection:
        whose, moment = (threading.get_ident(), worker), time.monotonic()
        if whose in self._kept:
            connection, last = self._kept[whose]
            if moment - last > IDLE_SECONDS:
                # It opens itself again.
                connection.close()
        else:
            connection = http.client.HTTPConnection(*self.workers[worker].address, timeout=60)
        self._kept[whose] = (connection, moment)
        return connection


@contextmanager
def two_workers(database: Database) -> Iterator[Service]:
    """Serve the database, new, by two workers until the block ends."""
    tenant = database.init()
    with _worker(database) as one, _worker(database) as other:
        owner = {"Authorization": f"Bearer {database.add_session(tenant.user_id)}"}
        service = Service(
            workers=(one, other),
            database=database,
            owner=owner,
            org_id=tenant.org_id,
            environments={"live": tenant.env_id, "test": _test_environment(one, owner, tenant)},
        )
        with closing(service):
            yield service


def _test_environment(server: Server, owner: Headers, tenant: Tenant) -> str:
    """Make an environment as a client does: the audit log must tell of everything."""
    body = {"org_id": tenant.org_id, "name": "Test", "slug": "test", "mode": "test"}
    made = server.request("POST", "/environments", json=body, headers=owner)
    assert made.status_code == 201, made.text
    env_id: str = made.json()["environment"]["id"]
    return env_id


def _worker(database: Database) -> AbstractContextManager[Server]:
    return serving(
        database,
        HOOKSTREAM_RATE_LIMIT="off",
        # So that a step can say from where a credential is used.
        HOOKSTREAM_TRUSTED_PROXIES="127.0.0.1",
    )


def now() -> int:
    """This moment as the server writes it: in whole milliseconds, rounded down."""
    return time.time_ns() // 1_000_000
