"""A pytest plugin: whatever a test asks a server goes through Prism, which checks the answers.

Prism knows the document and nothing of this project's code. It stands in front of
each server that the tests start, and says in a header what of a response is not as
documented; the test that asked then fails.
"""

import json
import os
import re
import subprocess
import tempfile
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest
import support
from support import NO_TLS

from hookstream_keys.contract import spec
from hookstream_keys.contract.closed_responses import closed_responses

ask_directly = support.Server.request


class Prisms:
    """Prism in front of servers. One program is all of them; what it says of itself is logged."""

    def __init__(self, node_modules: Path, log: Path) -> None:
        # Closed, so that Prism finds an undocumented field in a response.
        document = log.with_name("openapi.json")
        document.write_text(json.dumps(closed_responses(spec.document())), encoding="utf-8")
        # Next to the packages that it imports, or it would not find them.
        with log.open("w", encoding="utf-8") as sink:
            self._process = subprocess.Popen(
                ["node", node_modules.with_name("prism.mjs"), document],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                text=True,
            )
        self._log = log
        self._urls: dict[str, str] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=30)

    def request(self, upstream: str, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Ask a server through Prism. Raises AssertionError when it answers not as documented."""
        url = self._in_front_of(upstream)
        with httpx.Client(timeout=20, trust_env=False, verify=NO_TLS) as client:
            response = client.request(method, url + path, **arguments)
        said = response.headers.pop("sl-violations", "[]")
        media_type = response.headers.get("content-type", "").partition(";")[0]
        wrong = [
            found
            for found in json.loads(said)
            # Of requests it may say what it likes: tests send wrong ones on purpose.
            if found["location"][0] == "response"
            # It reads no YAML, and takes the whole text for a string.
            and not (media_type == "application/yaml" and found["location"] == ["response", "body"])
        ]
        assert not wrong, f"{method} {path} {response.status_code} {response.text}: {wrong}"
        # How Prism reports that it could not do its work; the server never answers so.
        assert media_type != "application/problem+json", response.text
        return response

    def _in_front_of(self, upstream: str) -> str:
        with self._lock:
            if upstream not in self._urls:
                assert self._process.stdin is not None
                assert self._process.stdout is not None
                self._process.stdin.write(f"{upstream}\n")
                self._process.stdin.flush()
                url = self._process.stdout.readline().strip()
                assert url, f"Prism ended:\n{self._log.read_text(encoding='utf-8')}"
                self._urls[upstream] = url
            return self._urls[upstream]


class PrismPlugin:
    """Puts a Prism in front of every server, and counts what it checked."""

    def __init__(self, node_modules: Path, reports: Path) -> None:
        self._node_modules = node_modules
        self._reports = reports
        self._checked: Counter[tuple[str, str, int]] = Counter()
        self._paths = _patterns()
        self._end = ExitStack()

    def pytest_sessionstart(self) -> None:
        folder = self._end.enter_context(tempfile.TemporaryDirectory())
        self._prisms = self._end.enter_context(Prisms(self._node_modules, Path(folder, "log")))

        def request(
            server: support.Server, method: str, path: str, **arguments: Any
        ) -> httpx.Response:
            return self._ask(server, method, path, **arguments)

        patch = self._end.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(support.Server, "request", request)

    def pytest_sessionfinish(self) -> None:
        self._end.close()
        checked = [[*what, count] for what, count in sorted(self._checked.items())]
        # With pytest-xdist each worker reports what it saw.
        name = f"{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}.json"
        (self._reports / name).write_text(json.dumps(checked), encoding="utf-8")

    def _ask(
        self, server: support.Server, method: str, path: str, **arguments: Any
    ) -> httpx.Response:
        operation = self._operation(method, path, arguments)
        if operation is None:
            return ask_directly(server, method, path, **arguments)
        response = self._prisms.request(server.url, method, path, **arguments)
        self._checked[method, operation, response.status_code] += 1
        return response

    def _operation(self, method: str, path: str, arguments: dict[str, Any]) -> str | None:
        """The path of the operation, or None for what Prism cannot pass on and check."""
        # It reads a JSON body and writes it anew, and chokes on any other.
        if not arguments.keys() <= {"json", "headers", "params"}:
            return None
        for name in arguments.get("headers") or {}:
            # It writes bytes and repeated fields anew, and says itself where a request was
            # forwarded from.
            if isinstance(name, bytes | tuple) or name.startswith("X-Forwarded"):
                return None
        # It decodes a path, and encodes it otherwise.
        if "%" in path:
            return None
        # It follows a redirect by itself, and then takes the page for the answer.
        if path == "/ui":
            return None
        # It knows no method and no path that the document does not have (HEAD, OPTIONS, 404, 405).
        for pattern, (operation, methods) in self._paths.items():
            if pattern.fullmatch(path.partition("?")[0]):
                return operation if method.lower() in methods else None
        return None


def _patterns() -> dict[re.Pattern[str], tuple[str, frozenset[str]]]:
    paths = spec.document()["paths"]
    return {
        re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path)): (path, frozenset(item))
        # What is most specific first: `/auth/api-keys/verify` is no `/auth/api-keys/{id}`.
        for path, item in sorted(paths.items(), key=lambda item: spec.specificity(item[0]))
    }


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--prism", required=True, type=Path, help="the folder of Prism's packages")
    parser.addoption("--prism-reports", required=True, type=Path, help="folder: what it saw")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        # It runs no tests itself.
        return
    plugin = PrismPlugin(config.getoption("--prism"), config.getoption("--prism-reports"))
    config.pluginmanager.register(plugin)
