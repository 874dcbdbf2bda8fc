"""Nothing secret is anywhere but where it belongs.

Every operation is asked, with known secrets wherever a request has room for one, until it has
answered every status that the document has for it; commands are run; then all that was written is
searched. A secret belongs in the one answer that shows it, and a session's token also in
better-auth's table `session`; nothing else of what is stored has it, but as a hash.
"""

import json
import secrets
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from security.canary import Canary, files, processes, spellings
from security.valid_requests import OPERATIONS, Answer, Client, Headers, Maker, ValidRequest
from security.wire import ask
from support import SECRET, Database, Server, Tenant, run, serving, signed

from hookstream_keys.contract import spec

#: What has a secret in its answer, because that is what it is for.
SHOW = {"createApiKey", "rotateApiKey", "signInEmail", "signUpEmail", "getSession"}
#: Statuses that a request can bring about by itself. For the others there are more servers.
REQUESTED = {"200", "201", "204", "308", "400", "401", "403", "404", "409", "413", "415"}

DOCUMENTED = {
    each: set(spec.operation_of(spec.document(), each)[1]["responses"]) & REQUESTED
    for each in OPERATIONS
}


class Driver:
    """Asks operations for everything, and keeps what was answered, and to which caller."""

    def __init__(self, server: Server, tenant: Tenant, canary: Canary) -> None:
        self.server, self.tenant, self.canary = server, tenant, canary
        self.maker = Maker(server, tenant)
        self.client = self.maker.client
        self.seen: dict[str, set[str]] = defaultdict(set)
        self.leaks: list[str] = []
        self._pages: set[bytes] = set()
        canary.add("key", tenant.key)
        canary.add("password", tenant.password)
        canary.add("signing secret", SECRET)
        canary.add("session", self.maker.owner["Authorization"][7:])
        self.cookie = ""
        self.sign_in()

    def sign_in(self) -> None:
        """Begin a session; to sign out ends one."""
        token = self.server.database.add_session(self.tenant.user_id)
        self.cookie = self.canary.add("cookie", signed(self.canary.add("session", token)))

    def owner(self) -> Headers:
        return {"Cookie": f"better-auth.session_token={quote(self.cookie, safe='')}"} | {
            "Origin": self.server.origin
        }

    def junk(self, name: str) -> str:
        """A secret that is not accepted here, and that its owner may still use elsewhere."""
        return self.canary.add(name, f"hs_{'live'}_{secrets.token_hex(32)}")

    def ask(
        self, valid: ValidRequest, headers: Headers, content: bytes | None = None, **q: str
    ) -> Answer:
        """Send it, and look whether the answer tells a secret that it is not there to tell."""
        answer = valid.send(headers, content, **q)
        operation = valid.operation.id
        self.seen[operation].add(str(answer.status))
        if operation in SHOW and answer.is_success:
            self._learn(answer)
        elif answer.content not in self._pages:
            if len(answer.content) > 10_000:
                # A page is the same every time, and long.
                self._pages.add(answer.content)
            if found := self.canary.found_in(answer.content + bytes(answer.headers)):
                self.leaks.append(f"{operation} {answer.status}: {found}")
        return answer

    def _learn(self, answer: Answer) -> None:
        shown = answer.json() or {}
        if "key" in shown:
            self.canary.add("key", shown["key"])
        if "token" in shown:
            self.canary.add("session", shown["token"])
            self.canary.add("cookie", signed(shown["token"]))

    def everything(self, operation_id: str) -> None:
        """Ask for each status in turn."""
        self.sign_in()
        self._refused(operation_id)
        self._wrong(operation_id)
        if OPERATIONS[operation_id].idempotent:
            self._repeated(operation_id)
        self._valid(operation_id)

    def _made(self, operation_id: str) -> ValidRequest:
        """A valid request, with what is secret in it known."""
        valid = self.maker.make(operation_id)
        for name in ("key", "password"):
            if valid.body and name in valid.body:
                self.canary.add(name, valid.body[name])
        return valid

    def _valid(self, operation_id: str) -> None:
        for headers in (
            {"X-API-Key": self.tenant.key},
            {"Authorization": f"Bearer {self.cookie}"},
            self.owner(),
        ):
            self.ask(self._made(operation_id), headers)

    def _refused(self, operation_id: str) -> None:
        valid = self._made(operation_id)
        bad = self.junk("credential")
        path = valid.path
        for headers in (
            {},
            {"X-API-Key": bad},
            {"Authorization": f"Bearer {bad}"},
            {"Authorization": f"Basic {bad}"},
            {"Cookie": f"better-auth.session_token={signed(bad)}; other={bad}"},
            {"X-Forwarded-For": bad, "Referer": f"https://x.example/?{bad}", f"X-{bad}": bad},
            {"Authorization": f"Bearer {self._narrow()}"},
            {**self.owner(), "Origin": f"https://{bad}.example"},
        ):
            self.ask(valid, headers)
        # Of another organization, in the place of each id.
        outsider = {"Authorization": f"Bearer {self._outsider()}"}
        self.ask(valid, outsider)
        valid.path = path.rpartition("/")[0] + "/" + "f" * 32
        self.ask(valid, outsider)
        valid.path = path + "/" + bad
        valid.send(outsider)

    def _wrong(self, operation_id: str) -> None:
        valid = self._made(operation_id)
        junk = self.junk("in a request")
        owner = self.owner()
        json_type = {"Content-Type": "application/json"}
        for content in (
            f'{{"name": "{junk}"',
            json.dumps({name: [junk] for name in valid.body or ("name",)}),
            json.dumps(dict.fromkeys(valid.body or ("name",), junk + "\0")),
            "[" * 100 + junk,
        ):
            self.ask(valid, owner | json_type, content.encode())
        self.ask(valid, owner | {"Content-Type": f"text/{junk}"}, junk.encode())
        self.ask(valid, owner | json_type, (junk * 2000).encode())
        for query in ({"limit": junk}, {"cursor": junk}, {"org_id": junk}):
            self.ask(valid, owner, None, **query)
        # An unknown name is shown to its sender only.
        valid.send(owner, None, **{junk: junk})
        valid.send(owner | json_type, f'{{"{junk}": 1}}'.encode())
        self.ask(valid, owner | {"Idempotency-Key": junk + "\xe9"})
        if valid.path.count("/") > 2:
            valid.path = valid.path.rpartition("/")[0] + "/" + quote(junk + "\n")
            self.ask(valid, owner)

    def _repeated(self, operation_id: str) -> None:
        once = self.canary.add("idempotency key", secrets.token_hex(16))
        valid = self._made(operation_id)
        headers = {"X-API-Key": self.tenant.key, "Idempotency-Key": once}
        for _ in range(2):
            self.ask(valid, headers)
        valid.body = {**(valid.body or {}), **self._other(operation_id)}
        self.ask(valid, headers)

    def _other(self, operation_id: str) -> dict[str, Any]:
        if operation_id == "rotateApiKey":
            return {"grace_period_seconds": 61}
        return {"role": "admin"} if operation_id == "addMember" else {"name": "another"}

    def _narrow(self) -> str:
        key: str = self.canary.add("key", self.maker.key()["key"])
        return key

    def _outsider(self) -> str:
        database = self.server.database
        return self.canary.add("session", database.add_session(database.add_user()))


@pytest.fixture(scope="module")
def canary() -> Canary:
    return Canary()


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory, canary: Canary) -> Iterator[Driver]:
    """A server with the most talkative log, after every operation was asked for everything."""
    database = Database(tmp_path_factory.mktemp("server") / "hookstream.db")
    tenant = database.init()
    settings: dict[str, Any] = {
        "HOOKSTREAM_SIGN_UP": "open",
        "HOOKSTREAM_RATE_LIMIT": "off",
        "HOOKSTREAM_LOG_LEVEL": "debug",
        "HOOKSTREAM_CLIENT_TIMEOUT": "1",
        "HOOKSTREAM_VALIDATE_RESPONSES": "off",
    }
    with serving(database, workers=2, **settings) as server:
        driver = Driver(server, tenant, canary)
        with closing(driver.client):
            for operation_id in OPERATIONS:
                driver.everything(operation_id)
            _special_cases(driver)
            _conflicts(driver)
            _below_http(driver)
            _without_database(driver)
        yield driver


def _special_cases(driver: Driver) -> None:
    """What needs more than a request that is a little wrong."""
    environment = driver.maker.make("getEnvironment")
    environment.path = f"/environments/{driver.tenant.env_id}"
    driver.ask(environment, {"X-API-Key": driver.canary.add("key", driver.maker.key()["key"])})
    wrong = driver.maker.make("signInEmail")
    assert wrong.body is not None
    wrong.body["password"] = driver.canary.add("password", secrets.token_hex(16))
    driver.ask(wrong, {})
    wrong.body["callbackURL"] = f"https://{driver.junk('in a request')}.example"
    driver.ask(wrong, {})
    for operation_id in ("signUpEmail", "signInEmail", "signOut"):
        driver.ask(driver.maker.make(operation_id), {"Origin": "https://evil.example"})
    taken = driver.maker.make("signUpEmail")
    assert taken.body is not None
    taken.body["email"] = driver.tenant.email
    driver.canary.add("password", taken.body["password"])
    driver.ask(taken, {})


def _conflicts(driver: Driver) -> None:
    """409, where a thing is in no state for it."""
    owner, maker = driver.maker.owner, driver.maker
    rotation = maker.make("rotateApiKey")
    driver.ask(rotation, owner)
    key_id = rotation.path.split("/")[-2]
    driver.client.send("DELETE", f"/auth/api-keys/{key_id}", owner)
    driver.ask(rotation, owner)
    change = maker.make("updateApiKey")
    change.path = f"/auth/api-keys/{key_id}"
    driver.ask(change, owner)
    cancel = maker.make("cancelRotation")
    driver.ask(cancel, owner)
    driver.ask(cancel, owner)
    add = maker.make("addMember")
    driver.ask(add, owner)
    driver.ask(add, owner)
    members = f"/organizations/{driver.tenant.org_id}/members"
    last = driver.client.send("GET", members, owner).json()["members"][-1]["id"]
    for operation_id in ("updateMember", "removeMember"):
        valid = maker.make(operation_id)
        valid.path = f"{members}/{last}"
        driver.ask(valid, owner)
    slug = secrets.token_hex(8)
    for operation_id in ("createEnvironment", "updateEnvironment"):
        for _ in range(2):
            valid = maker.make(operation_id)
            assert valid.body is not None
            valid.body["slug"] = slug
            driver.ask(valid, owner)
    for operation_id in ("createOrganization", "updateOrganization"):
        for _ in range(2):
            valid = maker.make(operation_id)
            assert valid.body is not None
            valid.body["slug"] = slug
            driver.ask(valid, owner)
        maker.client.send_json("POST", "/organizations", owner, {"name": "x", "slug": f"{slug}2"})
        slug = f"{slug}2"


def _below_http(driver: Driver) -> None:
    """What is refused before it is a request: 400, 408, 414, 431."""
    junk = driver.junk("below HTTP").encode()
    start = b"GET /v1/health HTTP/1.1\r\nHost: t\r\n"
    found = [
        ask(driver.server, data)
        for data in (
            junk + b"\r\n\r\n",
            start + junk + b"\r\n\r\n",
            start + b"X: " + junk * 1000 + b"\r\n\r\n",
            b"GET /v1/" + junk * 1000 + b" HTTP/1.1\r\nHost: t\r\n\r\n",
            start + b"X-API-Key: " + junk + b"\r\n",
        )
    ]
    assert [[each.status for each in answers] for answers in found] == [
        [400], [400], [431], [414], [408]
    ]  # fmt: skip
    for answers in found:
        if leak := driver.canary.found_in(answers[0].body):
            driver.leaks.append(f"below HTTP: {leak}")


def _without_database(driver: Driver) -> None:
    """503, with a key and without one that is valid."""
    valid = [driver.maker.make(each) for each in ("createApiKey", "verifyApiKey", "whoami")]
    key = driver.tenant.key
    driver.server.database.execute("alter table api_key rename to gone")
    for each in valid:
        for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}):
            assert driver.ask(each, headers).status == 503
    driver.server.database.execute("alter table gone rename to api_key")


def assert_nothing_in(canary: Canary, folder: Path) -> None:
    """Search every file that a server has written."""
    searched = []
    for name, content in files(folder):
        # better-auth stores its tokens here, and so does every server that shares its tables.
        allowed = ("session",) if name.startswith("hookstream.db") else ()
        assert canary.found_in(content, but=allowed) == [], name
        searched.append(name)
    assert {"hookstream.db", "hookstream.db.limits", "server.log"} <= {*searched}


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_every_status_that_is_documented_was_answered(driven: Driver, operation_id: str) -> None:
    # Or the search would not have seen what is written on the way to it.
    missing = DOCUMENTED[operation_id] - driven.seen[operation_id]
    assert missing == set()


def test_no_answer_shows_a_secret_it_should_not(driven: Driver) -> None:
    assert driven.leaks == []


def test_nothing_secret_is_in_the_log_nor_in_the_database(driven: Driver, canary: Canary) -> None:
    log = driven.server.log.read_text(encoding="utf-8")
    assert log.count("request_id=") > 1000
    print(f"{len(canary)} secrets, {log.count('request_id=')} requests searched")
    folder = driven.server.database.path.parent
    assert (folder / "hookstream.db-wal").stat().st_size > 0
    assert_nothing_in(canary, folder)


def test_nothing_secret_is_in_the_list_of_processes(driven: Driver, canary: Canary) -> None:
    found = processes(driven.server.process.pid)
    assert len(found) >= 3
    for pid in found:
        assert canary.found_in(Path(f"/proc/{pid}/cmdline").read_bytes()) == []
        for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            # The one variable that the documentation has for it.
            is_its_place = entry.startswith(b"BETTER_AUTH_SECRET=")
            assert canary.found_in(entry, but=("signing",) if is_its_place else ()) == []


def test_nothing_secret_is_in_the_pages(driven: Driver, canary: Canary) -> None:
    with closing(Client(driven.server)) as client:
        for path in ("/ui/", "/openapi.yaml", "/openapi.json", "/health", "/health/ready"):
            answer = client.send("GET", path, driven.owner() | {"X-API-Key": driven.tenant.key})
            assert answer.status == 200
            assert canary.found_in(answer.content + bytes(answer.headers)) == []


# Servers that fail

#: Python runs this in every process that is started with it: the server's code, but one place.
CRASH = """
import hookstream_keys.handlers as handlers

def crash(call, **arguments):
    text = repr(arguments)
    return {}[len(text)]

for table in (handlers.OPERATIONS, handlers.PREPARED):
    for name in table:
        if name != "getHealth":
            table[name] = crash
"""
LEAK = """
import logging
import hookstream_keys.http.responses as responses

def leaky(self, log=responses.Response.log):
    responses.log.info("header %s", str(self.request.header(b"x-api-key")).encode().hex())
    log(self)

responses.Response.log = leaky
"""


@contextmanager
def changed(database: Database, code: str, **settings: Any) -> Iterator[Server]:
    """A server, a part of whose code is another."""
    folder = database.path.parent.with_name("changed")
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(code, encoding="utf-8")
    with serving(database, PYTHONPATH=str(folder), **settings) as server:
        yield server


def drive(server: Server, tenant: Tenant, canary: Canary) -> Driver:
    driver = Driver(server, tenant, canary)
    with closing(driver.client):
        for operation_id in OPERATIONS:
            operation = OPERATIONS[operation_id]
            valid = ValidRequest(
                driver.client, operation, operation.path.replace("{", "f" * 32 + "{")
            )
            valid.path = spec._PARAMETER.sub("", valid.path)
            headers = {"X-API-Key": tenant.key, "Idempotency-Key": driver.junk("idempotency")}
            body = {"key": tenant.key, "password": tenant.password, "email": tenant.email}
            for content in (None, json.dumps(body).encode()):
                driver.ask(valid, headers | {"Content-Type": "application/json"}, content)
                driver.ask(valid, driver.owner() | {"Content-Type": "application/json"}, content)
    return driver


@pytest.fixture
def kept(tmp_path: Path) -> Database:
    folder = tmp_path / "database"
    folder.mkdir()
    return Database(folder / "hookstream.db")


def test_a_crash_or_a_rate_limit_shows_no_secret(kept: Database) -> None:
    canary = Canary()
    tenant = kept.init()
    settings: dict[str, Any] = {
        "HOOKSTREAM_LOG_LEVEL": "debug",
        "HOOKSTREAM_RATE_LIMIT": "90",
        "HOOKSTREAM_VALIDATE_RESPONSES": "off",
    }
    with changed(kept, CRASH, **settings) as server:
        seen: dict[str, set[str]] = defaultdict(set)
        for _ in range(2):
            driver = drive(server, tenant, canary)
            assert driver.leaks == []
            for operation_id, statuses in driver.seen.items():
                seen[operation_id] |= statuses
        for status in ("500", "429"):
            assert sum(status in statuses for statuses in seen.values()) > 10
        assert server.log.read_text(encoding="utf-8").count("KeyError") > 10
        assert_nothing_in(canary, kept.path.parent)


# Commands


def test_commands_show_a_secret_at_most_once(database: Database) -> None:
    canary = Canary()
    tenant = database.init()
    for name, secret in (("key", tenant.key), ("password", tenant.password), ("signing", SECRET)):
        canary.add(name, secret)
    bad = canary.add("key", f"hs_{'live'}_{secrets.token_hex(32)}")
    where = ("--org", tenant.org_id, "--env", tenant.env_id)
    made = run("keys", "create", "--name", "k", *where, "--json", database=database.path)
    created = json.loads(made.stdout)
    canary.add("key", created["key"])
    assert canary.found_in(made.stderr.encode()) == []
    key_id = created["id"]
    rotated = run(
        "keys", "rotate", key_id, "--grace-period", "60", "--json", database=database.path
    )
    canary.add("key", json.loads(rotated.stdout)["key"])
    commands = [
        (("keys", "list", "--org", tenant.org_id), ""),
        (("keys", "show", key_id), ""),
        (("keys", "verify"), tenant.key),
        (("keys", "verify"), bad),
        (("keys", "revoke", key_id), ""),
        (("keys", "rotate", key_id), ""),
        (("audit", "verify"), ""),
    ]
    for arguments, stdin in commands:
        done = run(*arguments, database=database.path, stdin=stdin)
        assert canary.found_in((done.stdout + done.stderr).encode()) == [], arguments
        assert "Traceback" not in done.stderr
    for name, content in files(database.path.parent):
        assert canary.found_in(content) == [], name


def test_a_server_that_fails_to_start_shows_no_secret(database: Database) -> None:
    database.init()
    canary = Canary()
    short = canary.add("signing", "short-" + secrets.token_hex(10))
    password = canary.add("password", secrets.token_hex(16))
    signing = canary.add("signing", secrets.token_hex(32))
    settings: list[dict[str, str]] = [
        {"BETTER_AUTH_SECRET": short},
        {"HOOKSTREAM_DATABASE": f"postgresql://keys:{password}@127.0.0.1:9/keys"},
        {"BETTER_AUTH_SECRETS": f"1:{signing}", "HOOKSTREAM_DATABASE": "sqlite:////proc/x/y.db"},
    ]
    for each in settings:
        done = run("serve", "--port", "0", database=database.path, **each)
        assert done.returncode == 1, done
        assert done.stderr.count("\n") == 1
        assert canary.found_in((done.stdout + done.stderr).encode()) == []
    address = f"postgresql://keys:{password}@127.0.0.1:9/keys"
    done = run("keys", "list", "--org", "x", "--database", address, database=database.path)
    assert done.returncode == 2
    assert canary.found_in((done.stdout + done.stderr).encode()) == []


# That a secret would be found


def test_a_secret_that_is_logged_is_found(kept: Database) -> None:
    tenant = kept.init()
    canary = Canary()
    canary.add("key", tenant.key)
    with changed(kept, LEAK) as server:
        assert_nothing_in(canary, kept.path.parent)
        assert server.request("GET", "/auth/whoami", headers={"X-API-Key": tenant.key}).is_success
        with pytest.raises(AssertionError, match=r"server\.log"):
            assert_nothing_in(canary, kept.path.parent)


def test_every_spelling_is_found_wherever_it_stands() -> None:
    secret = secrets.token_urlsafe(32) + "+/="
    canary = Canary()
    canary.add("key", secret)
    for spelling in spellings(secret):
        assert canary.found_in(b"before " + spelling + b" behind") == ["key 0"]
    assert canary.found_in(b"nothing") == []


def test_a_secret_in_the_database_is_found(kept: Database) -> None:
    canary = Canary()
    tenant = kept.init()
    canary.add("key", tenant.key)
    kept.execute("update api_key set name = ?", (f"my {tenant.key}",))
    assert any(canary.found_in(content) for _, content in files(kept.path.parent))
