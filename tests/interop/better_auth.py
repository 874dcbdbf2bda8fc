"""better-auth itself, as a browser and as its own command line see it."""

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
from support import ON_POSTGRESQL, Database, environment, url_of

PEER = Path(__file__).with_name("better_auth_peer.mjs")


@dataclass(frozen=True)
class Person:
    """A user who is signed in at better-auth, and their credentials."""

    id: str
    email: str
    #: Name and value as in Set-Cookie.
    cookie: str
    #: The header `set-auth-token`: the token and its signature.
    signed_token: str
    token: str


@dataclass(frozen=True)
class BetterAuth:
    """A running better-auth."""

    url: str

    def post(
        self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> httpx.Response:
        return httpx.post(
            f"{self.url}/api/auth{path}",
            json=body,
            headers={"Origin": self.url, **(headers or {})},
            timeout=20,
            trust_env=False,
        )

    def do(self, person: Person, path: str, **body: Any) -> dict[str, Any]:
        """A user's action in the browser, which must succeed."""
        answer = self.post(path, body, {"Cookie": person.cookie})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def get(self, person: Person, path: str) -> Any:
        """What a page of the browser reads for a user, as JSON."""
        return self._get(person.cookie, path)

    def sign_up(self) -> Person:
        email = f"{secrets.token_hex(8)}@example.com"
        body = {"name": "Ada", "email": email, "password": "correct horse"}
        return _signed_in(self.answer_to_sign_up(body))

    def answer_to_sign_up(self, body: dict[str, Any]) -> httpx.Response:
        answer = self.post("/sign-up/email", body)
        for _ in range(2):
            # Its transaction begins as a reader's, which SQLite does not let write once another
            # process has written (SQLITE_BUSY_SNAPSHOT): docs/sign-in.md says so.
            if "FAILED_TO_CREATE_USER" not in answer.text:
                break
            answer = self.post("/sign-up/email", body)
        return answer

    def sign_in(self, email: str, password: str) -> Person:
        return _signed_in(self.post("/sign-in/email", {"email": email, "password": password}))

    def session_of(self, header: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._get(header, "/get-session")
        return found

    def _get(self, header: str, path: str) -> Any:
        answer = httpx.get(
            f"{self.url}/api/auth{path}",
            headers={"Cookie": header},
            timeout=20,
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()


def _signed_in(answer: httpx.Response) -> Person:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return Person(
        id=body["user"]["id"],
        email=body["user"]["email"],
        cookie=answer.headers["set-cookie"].partition(";")[0],
        signed_token=answer.headers["set-auth-token"],
        token=body["token"],
    )


class Run(Protocol):
    """Runs a command of the peer on a database; options as better_auth_peer.mjs has them."""

    def __call__(self, name: str, database: Database, **options: Any) -> tuple[str, str]: ...


class Serve(Protocol):
    """Runs the peer's server on a database; options as better_auth_peer.mjs has them."""

    def __call__(
        self, database: Database, **options: Any
    ) -> AbstractContextManager[BetterAuth]: ...


def runner(node: str) -> Run:
    """Run better-auth's migration code on a database: what it prints, and its warnings."""

    def command(name: str, database: Database, **options: Any) -> tuple[str, str]:
        if not ON_POSTGRESQL:
            # As an operator has to: others could read what better-auth creates.
            database.path.touch(0o600)
        done = subprocess.run(
            [node, str(PEER), name, _address(database)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=_process_environment(database, options),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    return command


def server(node: str) -> Serve:
    """Run better-auth's server on a database."""

    @contextmanager
    def serving_better_auth(database: Database, **options: Any) -> Iterator[BetterAuth]:
        log = database.path.with_name("better-auth.log")
        with (
            log.open("a", encoding="utf-8") as sink,
            subprocess.Popen(
                [node, str(PEER), "serve", _address(database)],
                stdout=subprocess.PIPE,
                stderr=sink,
                text=True,
                env=_process_environment(database, options),
            ) as process,
        ):
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                assert line, log.read_text(encoding="utf-8")
                yield BetterAuth(**json.loads(line))
            finally:
                process.terminate()
                process.wait(timeout=30)

    return serving_better_auth


def _address(database: Database) -> str:
    return url_of(database.path) if ON_POSTGRESQL else str(database.path)


def _process_environment(database: Database, options: dict[str, Any]) -> dict[str, str]:
    return environment(database.path, NODE_ENV="test", PEER_OPTIONS=json.dumps(options))
