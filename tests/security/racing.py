"""A principal loses its rights while many clients use them: what each run is made of.

The operations come from the document, the principals that may do them from docs/policy.md, and
every operation is tried against every way in which such a principal can end or lose rights. A new
operation is covered when it is in the document.
"""

import http.client
import itertools
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from security import policy
from security.asking import OPERATIONS, Asked, Slot, asked
from security.world import Headers, Rows, Tenant, bearer
from support import ON_POSTGRESQL, Server, url_of
from support.postgresql import Session

from hookstream_keys.contract import roles

Kind = Literal["session", "key"]

CLIENTS = 32
#: So many requests each client has a target of its own for.
TARGETS = 24
#: The principal loses its rights when so much was changed by it.
CHANGES_BEFORE = 48
#: So long the clients go on after that was answered, in seconds: what was queued is answered then.
AFTERWARDS = 0.1
#: So long another process holds the write lock, in seconds, with the loss of rights queued behind.
LOCKED = 0.4
LIMIT = 20.0


@dataclass(frozen=True)
class Ending:
    """A way to lose rights: what the owner (or the principal itself) asks for."""

    name: str
    of: Kind
    #: The method, the path, and the body; `{}` stands for the key, member or session.
    method: str
    path: str
    body: dict[str, Any] | None = None


ENDINGS = (
    Ending("revoked", "key", "DELETE", "/auth/api-keys/{}"),
    Ending("disabled", "key", "PATCH", "/auth/api-keys/{}", {"enabled": False}),
    Ending("narrowed", "key", "PATCH", "/auth/api-keys/{}", {"scopes": "events:read"}),
    Ending("signed out", "session", "POST", "/auth/sign-out", {}),
    Ending("demoted", "session", "PATCH", "/organizations/{org}/members/{}", {"role": "member"}),
    Ending("removed", "session", "DELETE", "/organizations/{org}/members/{}"),
)
#: What is done in organizations of the principal's own, in which no other can demote or remove.
OWN = {"createOrganization", "deleteOrganization"}


@dataclass(frozen=True)
class Race:
    """One operation against one ending."""

    operation_id: str
    ending: Ending

    def __str__(self) -> str:
        return f"{self.operation_id}-{self.ending.name.replace(' ', '-')}"


def races() -> Iterator[Race]:
    """Every writing operation with a credential, against every loss of the caller's rights."""
    allowed = {(cell.operation, cell.who): 200 <= cell.status < 300 for cell in policy.read()}
    for operation, ending in itertools.product(OPERATIONS.values(), ENDINGS):
        writes = operation.method != "GET" and not operation.id.startswith("verify")
        who = "admin" if ending.of == "session" else "key"
        may = allowed[operation.id, who] or operation.id in OWN
        if not (writes and operation.secured and not operation.optional and may):
            continue
        if operation.id in OWN and (ending.of == "key" or ending.name != "signed out"):
            continue
        yield Race(operation.id, ending)


class Course:
    """A tenant, a principal that may do the operation, and what each client does it to."""

    def __init__(self, server: Server, rows: Rows, race: Race) -> None:
        self.server = server
        self.rows = rows
        self.race = race
        self.operation = OPERATIONS[race.operation_id]
        with rows.at_once():
            self.tenant = Tenant(rows)
            self.owner = bearer(rows.add_session(self.tenant.owner))
            self.id, self.subject, self.headers = self._principal()
            self.requests = [[self._request() for _ in range(TARGETS)] for _ in range(CLIENTS)]

    def end(self, connection: http.client.HTTPConnection) -> str:
        """Let the principal lose its rights; the id of the request that did it."""
        ending = self.race.ending
        headers = self.headers if ending.name == "signed out" else self.owner
        path = ending.path.format(self.subject, org=self.tenant.org)
        status, request_id = send(connection, Asked(ending.method, path, {}, ending.body), headers)
        assert status in (200, 204), (status, path)
        return request_id

    def still_may(self) -> bool:
        """Whether the operation is allowed to what the principal is after its ending."""
        if self.race.ending.name != "demoted":
            return False
        scope = self.operation.required_scope
        return scope is None or roles.scopes_of("member").allow(scope)

    def _principal(self) -> tuple[str, str, Headers]:
        """What the audit log calls it, what its ending names, and its credential."""
        tenant, rows = self.tenant, self.rows
        if self.race.ending.of == "key":
            key, secret = rows.add_key(tenant.org, tenant.env, created_by=tenant.owner)
            return key, key, {"X-API-Key": secret}
        user = rows.add_user()
        member = rows.add_member(tenant.org, user, "admin")
        return user, member, bearer(rows.add_session(user))

    def _request(self) -> Asked:
        more = {}
        if self.operation.id == "addMember":
            user = self.rows.add_user()
            ((email,),) = self.rows.read('select email from "user" where id = ?', user)
            more = {"addMember": {"email": email}}
        return asked(self.operation, self._target, **more)

    def _target(self, slot: Slot) -> str:
        """An id of the tenant's: one that the operation uses up is made for it alone."""
        used_up = _USED_UP.get((slot.kind, self.operation.id)) or _USED_UP.get((slot.kind, None))
        return used_up(self) if used_up else self.tenant.id_of(slot.kind)

    def _own_organization(self) -> str:
        org = self.rows.add_organization()
        self.rows.add_member(org, self.id, "owner")
        return org

    def _key(self) -> str:
        # Where a rotation is cancelled, it is one of this key, and asked for next.
        self._last_key = self.rows.add_key(self.tenant.org, self.tenant.env)[0]
        return self._last_key


#: What an operation uses up, by the kind of the id, and for some kinds by the operation.
_USED_UP: dict[tuple[str, str | None], Callable[[Course], str]] = {
    ("org", "deleteOrganization"): Course._own_organization,
    ("env", "deleteEnvironment"): lambda it: it.rows.add_environment(it.tenant.org),
    ("member", None): lambda it: it.rows.add_member(it.tenant.org, it.rows.add_user(), "member"),
    ("key", "revokeApiKey"): Course._key,
    ("key", "cancelRotation"): Course._key,
    ("rotation", None): lambda it: it.rows.add_rotation(it._last_key)[0],
}


@dataclass
class Result:
    """What a race came to."""

    #: How much the principal changed before and after its ending, by the order of the audit log.
    before: int
    after: int
    #: How many requests were answered with success, and with a refusal.
    done: int
    refused: int
    #: The roles of keys that were made after the ending.
    roles_after: set[str | None] = field(default_factory=set)


def run(course: Course, *, locked: bool = False) -> Result:
    """Let the clients send requests, end the principal meanwhile, and read the audit log."""
    statuses: list[int] = []
    ended = threading.Event()
    threads = [
        threading.Thread(target=_ask, args=(course, requests, statuses, ended))
        for requests in course.requests
    ]
    with closing(_connection(course.server)) as connection:
        send(connection, Asked("GET", "/health"), {})
        for thread in threads:
            thread.start()
        try:
            _wait_until(lambda: _done(statuses) >= CHANGES_BEFORE)
            with _write_lock(course.server, LOCKED if locked else 0):
                request_id = course.end(connection)
            time.sleep(AFTERWARDS)
        finally:
            ended.set()
            for thread in threads:
                thread.join()
    return _result(course, request_id, statuses)


def send(
    connection: http.client.HTTPConnection, request: Asked, headers: Headers
) -> tuple[int, str]:
    """Send a request; the status of its answer, and its id."""
    content = None
    if request.json is not None:
        content = json.dumps(request.json).encode()
        headers = {"Content-Type": "application/json", **headers}
    connection.request(request.method, f"/v1{request.target}", content, headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.headers["X-Request-Id"]


def _ask(
    course: Course, requests: list[Asked], statuses: list[int], ended: threading.Event
) -> None:
    with closing(_connection(course.server)) as connection:
        # When all targets are used up the last is asked for again: it is refused or changed twice.
        for request in itertools.chain(requests, itertools.repeat(requests[-1])):
            if ended.is_set():
                return
            statuses.append(send(connection, request, course.headers)[0])


def _connection(server: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(*server.address, timeout=LIMIT)


def _done(statuses: list[int]) -> int:
    return sum(status < 300 for status in statuses)


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, "the principal was hardly allowed anything"
        time.sleep(0.002)


@contextmanager
def _write_lock(server: Server, seconds: float) -> Iterator[None]:
    """Hold the database's write lock from another process's connection, and let it go later."""
    if not seconds:
        yield
        return
    connection: Session | sqlite3.Connection
    if ON_POSTGRESQL:
        connection = Session(url_of(server.database.path))
        connection.execute("begin")
        # Of every organization.
        connection.execute("select seq from audit_head for update")
    else:
        connection = sqlite3.connect(
            server.database.path, isolation_level=None, timeout=LIMIT, check_same_thread=False
        )
        connection.execute("begin immediate")
    timer = threading.Timer(seconds, connection.execute, ["commit"])
    timer.start()
    # Requests are queued by now, and the ending comes behind them.
    time.sleep(seconds / 2)
    try:
        yield
    finally:
        timer.join()
        connection.close()


_BY_PRINCIPAL = """
    select seq > (select seq from audit_log where request_id = ?), action, resource_id
    from audit_log where coalesce(api_key_id, user_id) = ? and request_id <> ?
"""


def _result(course: Course, request_id: str, statuses: list[int]) -> Result:
    events = course.rows.read(_BY_PRINCIPAL, request_id, course.id, request_id)
    late = [(action, about) for is_late, action, about in events if is_late]
    made = [about for action, about in late if action == "api_key.created"]
    return Result(
        before=len(events) - len(late),
        after=len(late),
        done=_done(statuses),
        refused=sum(status in (401, 403, 404) for status in statuses),
        roles_after={
            course.rows.read("select role from api_key where id = ?", key)[0][0] for key in made
        },
    )


@dataclass
class Activation:
    """Keys whose pending secrets are used for the first time while the keys are revoked."""

    server: Server
    rows: Rows
    keys: list[tuple[str, str]]
    owner: Headers

    @classmethod
    def of(cls, server: Server, rows: Rows, count: int) -> "Activation":
        with rows.at_once():
            tenant = Tenant(rows)
            owner = bearer(rows.add_session(tenant.owner))
            keys = [rows.add_key(tenant.org, tenant.env)[0] for _ in range(count)]
            return cls(server, rows, [(key, rows.add_rotation(key)[1]) for key in keys], owner)

    def run(self) -> int:
        """Use and revoke all of them at once; how many activations stand after a revocation."""
        threads = [threading.Thread(target=self._use, args=(n,)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        with closing(_connection(self.server)) as connection:
            for key, _ in self.keys:
                send(connection, Asked("DELETE", f"/auth/api-keys/{key}"), self.owner)
        for thread in threads:
            thread.join()
        events = self.rows.read(
            "select resource_id, action from audit_log where action in"
            " ('api_key.revoked', 'api_key.rotation_activated') order by seq"
        )
        revoked: set[str] = set()
        late = 0
        for key, action in events:
            revoked |= {key} if action == "api_key.revoked" else set()
            late += action != "api_key.revoked" and key in revoked
        return late

    def _use(self, number: int) -> None:
        with closing(_connection(self.server)) as connection:
            for _, secret in self.keys[number::CLIENTS]:
                send(connection, Asked("GET", "/auth/whoami"), {"X-API-Key": secret})
