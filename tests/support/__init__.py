"""What the tests share: a real server on a free port, rows to begin with, raw HTTP."""

import base64
import functools
import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from support import forking
from support.forking import ForkedProcess
from support.postgresql import database_at, forget, is_known, shared_cluster

COMMAND = _INSTALLED = str(Path(sys.executable).with_name("hookstream-keys"))

#: Shared by the servers and the tests, which sign cookies by themselves.
SECRET = "a-secret-for-tests-only-0123456789abcdef"

#: What signs the cookies of the servers under test: `SECRET`, or what a sandbox has made.
signing = {"secret": SECRET}

#: Without it a client reads all certificates that the machine trusts, which takes longer than the
#: request: nothing here speaks TLS, and this context trusts no certificate.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

#: Whether a sandbox takes the place of the tests' server: its API is the same.
IN_SANDBOX = os.environ.get("TESTS_SERVER") == "sandbox"
#: Whether the tests' servers have databases on PostgreSQL. Their paths name no file then.
ON_POSTGRESQL = os.environ.get("TESTS_SERVER") == "postgresql"

#: In so many seconds even a busy machine answers a few requests; a test can wait for their end.
SOON = 4


def without_settings() -> dict[str, str]:
    """This process's environment without the product's settings."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOOKSTREAM_", "BETTER_AUTH_"))
    }


def unmeasured() -> dict[str, str]:
    """`without_settings`, for programs of other projects: coverage can double their time."""
    ours = without_settings().items()
    return {name: value for name, value in ours if not name.startswith("COVERAGE_")}


def url_of(database: Path) -> str:
    """The URL of the database at a path."""
    return database_at(database) if ON_POSTGRESQL else f"sqlite:///{database}"


def environment(database: Path, **settings: str) -> dict[str, str]:
    """The process environment of a command under test: this one's, without its own settings."""
    return without_settings() | {
        "HOOKSTREAM_DATABASE": url_of(database),
        "BETTER_AUTH_SECRET": SECRET,
        **({"HOOKSTREAM_SINGLE_DATABASE": "on"} if ON_POSTGRESQL else {}),
        **settings,
    }


def run(
    *arguments: str, database: Path, stdin: str = "", **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [COMMAND, *arguments]
    variables = environment(database, **settings)
    if _can_fork(command, settings):
        return forking.run(
            command, stdin=stdin, folder=database.parent, environment=variables, timeout=60
        )
    return subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=database.parent,
        env=variables,
    )


def _can_fork(command: Sequence[str], settings: Mapping[str, str]) -> bool:
    # Not where a test has another installation in the place of COMMAND, or a command before it.
    return command[0] == _INSTALLED and forking.can_fork(settings)


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Database:
    """The database file of a server under test, and ways to put rows into it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last = datetime.min.replace(tzinfo=UTC)
        self._tenant: Tenant | None = None

    @property
    def tenant(self) -> "Tenant":
        """What `init` has made here."""
        assert self._tenant is not None, "init was not run"
        return self._tenant

    def now(self) -> str:
        """The present moment, and never the same one twice: lists are in the order of time."""
        self._last = max(datetime.now(UTC), self._last + timedelta(milliseconds=1))
        return iso(self._last)

    def init(self) -> "Tenant":
        """Initialize it, as a copy of the database that `init` created once for all tests."""
        assert not self.exists, "begin with nothing, or with run_init"
        if ON_POSTGRESQL:
            template, self._tenant = _initialized_template()
            database_at(self.path, template)
            return self._tenant
        content, self._tenant = _initialized()
        self.path.touch(0o600)
        self.path.write_bytes(content)
        return self._tenant

    @property
    def exists(self) -> bool:
        """Whether anything was put there."""
        return is_known(self.path) if ON_POSTGRESQL else self.path.exists()

    @property
    def has_tables(self) -> bool:
        """Whether there is a database: on PostgreSQL a command was given one, if only an empty."""
        if not ON_POSTGRESQL:
            return self.path.exists()
        tables = "select 1 from pg_class where relnamespace = 'public'::regnamespace"
        return self.exists and self.execute(tables) != []

    def copy_of(self, other: "Database") -> None:
        """Make it a copy of another one, which has no server."""
        if ON_POSTGRESQL:
            database_at(self.path, urlsplit(database_at(other.path)).path.lstrip("/"))
        else:
            shutil.copy(other.path, self.path)

    def lose(self) -> None:
        """Take the database away, with what SQLite keeps beside it: there is none then."""
        if ON_POSTGRESQL:
            forget(self.path)
            return
        for end in ("", "-wal", "-shm"):
            Path(f"{self.path}{end}").unlink(missing_ok=True)

    def run_init(self) -> "Tenant":
        """Run `init`."""
        answer = run("init", "--json", database=self.path)
        assert answer.returncode == 0, answer.stderr
        return self.begin_with(json.loads(answer.stdout))

    def begin_with(self, facts: Mapping[str, Any]) -> "Tenant":
        """Take the tenant of these facts for the one that the database began with."""
        names = [each.name for each in fields(Tenant)]
        self._tenant = Tenant(**{name: facts[name] for name in names})
        return self._tenant

    def execute(
        self, sql: str, parameters: tuple[Any, ...] = (), *, references: bool = False
    ) -> list[tuple[Any, ...]]:
        """The rows of a statement; with `references`, as on PostgreSQL, SQLite keeps to them."""
        if ON_POSTGRESQL:
            return shared_cluster().execute(url_of(self.path), sql, *parameters)
        connection = sqlite3.connect(self.path, timeout=10)
        try:
            if references:
                connection.execute("pragma foreign_keys = on")
            with connection:
                return connection.execute(sql, parameters).fetchall()
        finally:
            connection.close()

    def columns_of(self, table: str) -> list[str]:
        """The names of a table's columns that a row is inserted with, in order."""
        if not ON_POSTGRESQL:
            return [row[1] for row in self.execute(f'pragma table_info("{table}")')]
        rows = self.execute(
            "select attname from pg_attribute where attrelid = to_regclass(?) and attnum > 0"
            " and not attisdropped and attgenerated = '' order by attnum",
            (f'"{table}"',),
        )
        return [name for (name,) in rows]

    def row_of(self, table: str, row_id: str) -> dict[str, Any]:
        """A row by its columns, as `insert` takes it."""
        names = self.columns_of(table)
        listed = ", ".join(f'"{name}"' for name in names)
        (row,) = self.execute(f'select {listed} from "{table}" where id = ?', (row_id,))
        return dict(zip(names, row, strict=True))

    def insert(self, table: str, values: Mapping[str, Any]) -> None:
        """Insert a row by its columns."""
        listed = ", ".join(f'"{name}"' for name in values)
        places = ", ".join("?" for _ in values)
        self.execute(f'insert into "{table}" ({listed}) values ({places})', tuple(values.values()))

    def count(self, table: str) -> int:
        return int(self.execute(f"select count(*) from {table}")[0][0])

    def count_changes(self) -> int:
        """How many changes are in the audit log.

        Without refusals, which are recorded some seconds later, and PostgreSQL's seals of each
        minute.
        """
        rows = self.execute(
            "select count(*) from audit_log where action not like '%.refused'"
            " and action <> 'audit_log.sealed'"
        )
        return int(rows[0][0])

    def actions(self, column: str, value: str) -> list[str]:
        """The actions of the events that have this value, in order, but those of refusals.

        Refusals are counted, and written some time after they happened.
        """
        rows = self.execute(
            f"select action from audit_log where {column} = ? and action <> 'api_key.refused'"
            " order by seq",
            (value,),
        )
        return [row[0] for row in rows]

    def dump(self) -> str:
        if ON_POSTGRESQL:
            return "\n".join(shared_cluster().dump(url_of(self.path)))
        connection = sqlite3.connect(self.path)
        try:
            return "\n".join(connection.iterdump())
        finally:
            connection.close()

    def dump_but_usage(self) -> str:
        """All but what was counted, which is written some seconds after it happened."""
        return "\n".join(
            line for line in self.dump().splitlines() if 'INSERT INTO "key_usage"' not in line
        )

    def add_user(self) -> str:
        user_id = secrets.token_hex(16)
        now = self.now()
        self.execute(
            'insert into "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")'
            " values (?, 'Ada', ?, true, ?, ?)",
            (user_id, f"{user_id}@example.com", now, now),
        )
        return user_id

    def add_organization(self, org_id: str | None = None) -> str:
        org_id = org_id or f"org_{secrets.token_hex(16)}"
        self.execute(
            'insert into "organization" (id, name, slug, "createdAt") values (?, ?, ?, ?)',
            (org_id, "Org", org_id, self.now()),
        )
        return org_id

    def add_environment(self, org_id: str, mode: str = "live", env_id: str | None = None) -> str:
        env_id = env_id or f"env_{secrets.token_hex(16)}"
        self.execute(
            "insert into environment (id, org_id, name, slug, mode, created_at)"
            " values (?, ?, 'Env', ?, ?, ?)",
            (env_id, org_id, env_id, mode, self.now()),
        )
        return env_id

    def add_member(self, org_id: str, user_id: str, role: str = "member") -> str:
        member_id = secrets.token_hex(16)
        self.execute(
            'insert into "member" (id, "organizationId", "userId", role, "createdAt")'
            " values (?, ?, ?, ?, ?)",
            (member_id, org_id, user_id, role, self.now()),
        )
        return member_id

    def add_session(self, user_id: str, expires_in: timedelta = timedelta(days=7)) -> str:
        token = secrets.token_urlsafe(24)
        now = datetime.now(UTC)
        self.execute(
            'insert into "session" (id, "expiresAt", token, "createdAt", "updatedAt", "userId")'
            " values (?, ?, ?, ?, ?, ?)",
            (secrets.token_hex(16), iso(now + expires_in), token, iso(now), iso(now), user_id),
        )
        return token

    def revoke(self, key_prefix: str) -> None:
        self.execute(
            "update api_key set revoked_at = ? where prefix = ?",
            (iso(datetime.now(UTC)), key_prefix),
        )


@dataclass(frozen=True)
class Tenant:
    """What `init --json` prints."""

    org_id: str
    env_id: str
    user_id: str
    email: str
    password: str
    key: str


@functools.cache
def _initialized_template() -> tuple[str, Tenant]:
    """The name of the database that `init` makes on PostgreSQL, and what it prints."""
    path = Path(tempfile.gettempdir(), "template")
    tenant = Database(path).run_init()
    return urlsplit(database_at(path)).path.lstrip("/"), tenant


@functools.cache
def _initialized() -> tuple[bytes, Tenant]:
    """The file that `init` makes, and what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder, "hookstream.db"))
        tenant = database.run_init()
        # Whole in its one file.
        assert os.listdir(folder) == [database.path.name]  # noqa: PTH208
        return database.path.read_bytes(), tenant


def signed(token: str, secret: str | None = None) -> str:
    """A session token with better-auth's signature, computed apart from the code under test."""
    key = signing["secret"] if secret is None else secret
    mac = hmac.new(key.encode(), token.encode(), hashlib.sha256).digest()
    return f"{token}.{base64.b64encode(mac).decode()}"


def cookie(
    token: str, *, name: str = "better-auth.session_token", secret: str | None = None
) -> str:
    """The Cookie header that a browser sends for a session."""
    return f"{name}={quote(signed(token, secret), safe='')}"


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    database: Database
    log: Path
    process: subprocess.Popen[str] | ForkedProcess

    @property
    def origin(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        with httpx.Client(timeout=20, trust_env=False, verify=NO_TLS) as client:
            return client.request(method, self.url + path, **arguments)

    def raw(self, data: bytes) -> bytes:
        """Send bytes as they are and read until the server closes, or goes quiet for 5 seconds."""
        with socket.create_connection(self.address, timeout=5) as connection:
            connection.sendall(data)
            received = b""
            while True:
                try:
                    chunk = connection.recv(65536)
                except (TimeoutError, ConnectionResetError):
                    return received
                if not chunk:
                    return received
                received += chunk


@contextmanager
def serving(
    database: Database,
    *,
    workers: int = 1,
    stop: bool = True,
    ready: bool = True,
    command: Sequence[str] = (COMMAND,),
    options: Sequence[str] = (),
    **settings: str,
) -> Iterator[Server]:
    """Run `hookstream-keys serve` on a free port until the block ends; it is waited until `ready`.

    It leads a process group of its own, so that it can be killed with its workers.
    """
    if IN_SANDBOX:
        pytest.skip("it starts a server on a database of its own, which a sandbox refuses")
    log = database.path.with_name("server.log")
    settings = {"HOOKSTREAM_VALIDATE_RESPONSES": "on", **settings}
    words = [*command, "serve", "--init", "--port", "0", "--workers", str(workers), *options]
    process = _start(words, database, log, settings, can_fork=workers == 1)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.search(r"http://\S+", line)
        assert match, f"serve printed {line!r}; its log:\n{log.read_text(encoding='utf-8')}"
        url = match[0]
        if ready:
            wait_until_ready(url, process)
        yield Server(url, database, log, process)
    finally:
        if stop and process.poll() is None:
            process.terminate()
            process.wait(timeout=60)
        if process.stdout is not None:
            process.stdout.close()


def _start(
    command: Sequence[str],
    database: Database,
    log: Path,
    settings: Mapping[str, str],
    *,
    can_fork: bool,
) -> subprocess.Popen[str] | ForkedProcess:
    """Start it as the leader of a process group, with its standard output in a pipe."""
    folder, variables = database.path.parent, environment(database.path, **settings)
    with log.open("a", encoding="utf-8") as sink:
        if can_fork and _can_fork(command, settings):
            return forking.start_with_pipe(
                command, sink.fileno(), folder=folder, environment=variables
            )
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
            cwd=folder,
            env=variables,
            process_group=0,
        )


def wait_until_ready(url: str, process: subprocess.Popen[str] | ForkedProcess) -> None:
    """Return when the server answers. Raises AssertionError when it ends or takes 2 minutes."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended before it was ready"
        try:
            answer = httpx.get(f"{url}/health", timeout=5, trust_env=False, verify=NO_TLS)
            if answer.status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the server was not ready within 2 minutes")


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something holds that the server does by itself. Raises AssertionError."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.05)


#: Headers that tell of the time; of those of the limit, that they are there.
_OF_THE_CLOCK = {b"date", b"ratelimit-remaining", b"ratelimit-reset"}

Told = tuple[int, tuple[tuple[bytes, bytes], ...], bytes]


def told(answer: httpx.Response) -> Told:
    """Everything a response reveals: equal for responses that cannot be told apart.

    The names of the headers, their order and what they say, but for the id of the request and
    for what a clock says.
    """
    request_id = answer.headers["x-request-id"].encode()
    assert re.fullmatch(rb"req_[0-9a-f]{32}", request_id)
    headers = tuple(
        (name, b"" if name.lower() in _OF_THE_CLOCK else value.replace(request_id, b""))
        for name, value in answer.headers.raw
    )
    return answer.status_code, headers, answer.content.replace(request_id, b"")


def assert_error(
    response: httpx.Response, status: int, code: str, *locations: str
) -> Mapping[str, Any]:
    """The one canonical test of the error shape. Returns the body."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body: dict[str, Any] = response.json()
    # Those of better-auth's codes are for its client as well, which looks for a message.
    more = {"message"} if code.isupper() else set()
    assert set(body) - {"details"} == {"error", "status", "request_id", "code"} | more
    assert body["status"] == status
    assert body["code"] == code
    assert body["error"]
    assert re.fullmatch(r"req_[0-9a-f]{32}", body["request_id"])
    assert response.headers.get_list("x-request-id") == [body["request_id"]]
    found = dict.fromkeys(detail["location"] for detail in body.get("details", []))
    assert list(found) == list(dict.fromkeys(locations)), body
    return body
