"""The guards of `examples/`, built as their pages say, in front of a sandbox."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from kit.client.sandbox import Sandbox, sandbox
from support import NO_TLS
from support.programs import missing, require
from support.readme import code_blocks

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Example:
    """A running application, whose `/events` needs a key with the scope `events:read`."""

    url: str

    def get(self, key: str | None = None, **headers: str) -> httpx.Response:
        """Ask for the events, with a key as a bearer token."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            given["Authorization"] = f"Bearer {key}"
        with httpx.Client(trust_env=False, verify=NO_TLS, timeout=20) as http:
            return http.get(f"{self.url}/events", headers=given)


def commands(example: str) -> list[str]:
    """The commands of an example's page."""
    (block,) = code_blocks((EXAMPLES / example / "README.md").read_text(encoding="utf-8"))
    return block.splitlines()


@contextmanager
def running(command: Sequence[str | Path], folder: Path, url: str, key: str) -> Iterator[Example]:
    """Run an application until the block ends. It prints its URL when it listens."""
    environment = {**os.environ, "PORT": "0", "HOOKSTREAM_URL": url, "HOOKSTREAM_KEY": key}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield Example(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with sandbox() as started:
        yield started


@pytest.fixture(scope="module")
def node_guard(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Node.js example, compiled with the types of the served document."""
    npm = require("npm", "nodejs npm")
    source = EXAMPLES / "node-guard"
    if not (source / "node_modules" / ".installed").exists():
        missing(f"its packages are missing; run: python tests/interop/npm_ci.py {source}")
    folder = tmp_path_factory.mktemp("node") / "guard"
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("node_modules", "dist", "*.d.ts"))
    (folder / "node_modules").symlink_to(source / "node_modules")
    environment = {**os.environ, "HOOKSTREAM_URL": box.url}
    for line in commands("node-guard")[1:3]:
        command = [npm, *line.split()[1:]]
        subprocess.run(command, cwd=folder, env=environment, check=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def go_guard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of the Go example."""
    go = require("go", "golang-go")
    folder = tmp_path_factory.mktemp("go")
    environment = {
        **os.environ,
        # So that Go keeps nothing in the user's home.
        "GOCACHE": str(folder / "cache"),
        "GOPATH": str(folder / "path"),
        "GOFLAGS": "-buildvcs=false",
    }
    source = EXAMPLES / "go-guard"
    for arguments in (["vet", "./..."], ["build", "-o", str(folder / "events"), "./cmd/events"]):
        subprocess.run([go, *arguments], cwd=source, env=environment, check=True, timeout=240)
    return folder / "events"


@pytest.fixture(scope="module", params=["express", "hono", "go"])
def command(request: pytest.FixtureRequest) -> list[str | Path]:
    """How one of the applications is started."""
    if request.param == "go":
        return [request.getfixturevalue("go_guard")]
    folder: Path = request.getfixturevalue("node_guard")
    return [require("node", "nodejs"), folder / "dist" / f"{request.param}.js"]


@pytest.fixture(scope="module")
def started(command: list[str | Path], box: Sandbox) -> Iterator[Example]:
    with running(command, EXAMPLES, box.url, box.key) as example:
        yield example


@pytest.fixture
def example(started: Example, box: Sandbox) -> Example:
    """The application; the sandbox is as it was at its start."""
    box.control("POST", "reset")
    return started


def test_the_pages_say_what_is_run_here() -> None:
    scripts = json.loads((EXAMPLES / "node-guard" / "package.json").read_text("utf-8"))["scripts"]
    # What npm_ci.py has run; `node_guard` runs the two after it, `command` what the last two start.
    assert commands("node-guard") == [
        "npm ci",
        "npm run types",
        "npm run build",
        "HOOKSTREAM_KEY=YOUR_API_TOKEN npm run express",
        "HOOKSTREAM_KEY=YOUR_API_TOKEN npm run hono",
    ]
    assert [scripts[name] for name in ("express", "hono")] == [
        "node dist/express.js",
        "node dist/hono.js",
    ]
    assert commands("go-guard") == [
        "go build -o events ./cmd/events",
        "HOOKSTREAM_KEY=YOUR_API_TOKEN ./events",
    ]


def test_the_lock_names_no_registry_and_has_hashes() -> None:
    lock = json.loads((EXAMPLES / "node-guard" / "package-lock.json").read_text("utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert len(packages) > 50
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert package["integrity"].startswith("sha512-"), name


def state(box: Sandbox, name: str, /, **parameters: Any) -> dict[str, Any]:
    made: dict[str, Any] = box.control("POST", "states", {"state": name, "params": parameters})
    return made


def test_a_valid_key_passes_with_its_metadata(example: Example, box: Sandbox) -> None:
    parameters = {"name": "Ada's key", "scopes": "events:*", "metadata": {"plan": "pro"}}
    key = state(box, "an active key", **parameters)["key"]
    for answer in (example.get(key), example.get(X_API_Key=key), example.get(key, X_API_Key=key)):
        assert answer.status_code == 200
        assert answer.json() == {"caller": "Ada's key", "metadata": {"plan": "pro"}}
    assert example.get(box.facts["keys"]["rotation_in_grace"]["new_key"]).status_code == 200


@pytest.mark.parametrize("name", ["disabled", "expired", "revoked", "ip_bound", "rotation_ended"])
def test_a_key_that_is_not_valid_is_401(example: Example, box: Sandbox, name: str) -> None:
    assert_unauthorized(example.get(box.key_of(name)), ', error="invalid_token"')


@pytest.mark.parametrize("key", ["not-a-key", "x" * 600, '"}', "a b"])
def test_what_is_no_key_is_401(example: Example, key: str) -> None:
    assert_unauthorized(example.get(key), ', error="invalid_token"')


def test_a_key_of_another_tenant_is_401(example: Example, box: Sandbox) -> None:
    key = box.facts["other_tenant"]["key"]
    assert_unauthorized(example.get(key), ', error="invalid_token"')


def test_a_missing_key_is_401_and_two_are_400(example: Example, box: Sandbox) -> None:
    for answer in (
        example.get(),
        example.get(Authorization="Basic YTpi"),
        example.get(Authorization="Bearer"),
        example.get(X_API_Key=""),
    ):
        assert_unauthorized(answer, "")
    two = example.get(box.key_of("active"), X_API_Key=box.key_of("revoked"))
    assert two.status_code == 400
    assert 'error="invalid_request"' in two.headers["WWW-Authenticate"]


def test_a_key_that_does_not_cover_the_scope_is_403(example: Example, box: Sandbox) -> None:
    key = state(box, "a key with few scopes", scopes="orders:read")["key"]
    answer = example.get(key)
    assert answer.status_code == 403
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="api", error="insufficient_scope", scope="events:read"'
    )
    assert answer.json()["code"] == "insufficient_scope"


def test_a_key_over_its_limit_is_429(example: Example, box: Sandbox) -> None:
    parameters = {"requests": 2, "window_seconds": 60}
    answer = example.get(state(box, "a key whose limit is used up", **parameters)["key"])
    assert answer.status_code == 429
    names = ("Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
    # The clock is frozen: one of two uses comes back after half of the window.
    assert [answer.headers[name] for name in names] == ["30", "2", "0", "60"]
    assert answer.json()["code"] == "rate_limited"


def test_the_peers_address_counts_and_forwarded_headers_do_not(
    example: Example, box: Sandbox
) -> None:
    key = state(box, "an active key", allowed_ips=["127.0.0.1"])["key"]
    assert example.get(key).status_code == 200
    other = state(box, "an active key", allowed_ips=["203.0.113.9"])["key"]
    forged = {"X_Forwarded_For": "203.0.113.9", "X_Real_IP": "203.0.113.9"}
    assert example.get(other, **forged).status_code == 401


@pytest.mark.parametrize(
    ("fault", "retry_after"),
    [
        ({"status": 503, "retry_after": 30}, "30"),
        ({"status": 429, "retry_after": 8}, "8"),
        ({"status": 500}, "1"),
        ({"status": 502}, "1"),
        ({"status": 401}, "1"),
        ({"status": 403}, "1"),
        ({"drop": True}, "1"),
        ({"truncate": True}, "1"),
        ({"malformed": True}, "1"),
        ({"delay_ms": 3000}, "1"),
    ],
    ids=str,
)
def test_a_service_that_does_not_answer_well_lets_nothing_through(
    example: Example, box: Sandbox, fault: dict[str, Any], retry_after: str
) -> None:
    key = box.key_of("active")
    # A dropped request is sent again by Go itself.
    box.fail_next("verifyApiKey", times=1 if "delay_ms" in fault else 5, **fault)
    answer = example.get(key)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == retry_after
    assert answer.json()["code"] == "unavailable"
    box.control("DELETE", "faults")
    assert example.get(key).status_code == 200


def test_a_service_that_is_down_lets_nothing_through(
    command: list[str | Path], box: Sandbox, free_port: int
) -> None:
    with running(command, EXAMPLES, f"http://127.0.0.1:{free_port}/v1", box.key) as example:
        answer = example.get(box.key_of("active"))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def assert_unauthorized(answer: httpx.Response, error: str) -> None:
    """The response is 401, and tells no reason but `error`."""
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == f'Bearer realm="api"{error}'
    assert set(answer.json()) == {"error", "status", "code"}
    assert answer.json()["code"] == "unauthorized"
