"""Prism, between the API tests and the server, finds no response that is not as documented."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from interop.prism_plugin import Prisms

TESTS = Path(__file__).parent.parent

#: Method and path, and the statuses that can be had through Prism. 413 and 415 cannot: it takes
#: bodies of JSON only, and small ones.
EXPECTED = {
    ("POST", "/auth/api-keys"): {201, 400, 401, 403, 404, 503},
    ("GET", "/auth/api-keys"): {200, 400, 401, 403, 404},
    ("GET", "/auth/api-keys/{id}"): {200, 401, 403, 404},
    ("PATCH", "/auth/api-keys/{id}"): {200, 400, 401, 403, 404, 409},
    ("DELETE", "/auth/api-keys/{id}"): {204, 400, 401, 403, 404},
    ("POST", "/auth/api-keys/{id}/rotations"): {201, 400, 401, 403, 409},
    ("DELETE", "/auth/api-keys/{id}/rotations/{rotation_id}"): {204, 401, 403, 404, 409},
    ("POST", "/auth/api-keys/revoke"): {204},
    ("POST", "/auth/api-keys/verify"): {200, 400, 401, 403},
    ("POST", "/auth/api-keys/verify-batch"): {200, 400},
    ("GET", "/auth/authorize"): {204, 400, 401, 403, 429},
    ("GET", "/auth/whoami"): {200, 401, 429},
    ("POST", "/auth/sign-up/email"): {200, 400, 409},
    ("POST", "/auth/sign-in/email"): {200, 401, 403},
    ("POST", "/auth/sign-out"): {200, 403, 503},
    ("GET", "/auth/get-session"): {200, 400, 503},
    ("GET", "/organizations"): {200, 400, 403},
    ("POST", "/organizations"): {201, 400, 401, 403, 409},
    ("GET", "/organizations/{id}"): {200, 403, 404},
    ("PATCH", "/organizations/{id}"): {200, 403, 404, 409},
    ("DELETE", "/organizations/{id}"): {204, 403, 404},
    ("GET", "/organizations/{id}/members"): {200, 403, 404},
    ("POST", "/organizations/{id}/members"): {201, 400, 403, 404, 409},
    ("GET", "/organizations/{id}/members/{member_id}"): {200, 404},
    ("PATCH", "/organizations/{id}/members/{member_id}"): {200, 403, 404, 409},
    ("DELETE", "/organizations/{id}/members/{member_id}"): {200, 403, 404, 409},
    ("GET", "/environments"): {200, 401},
    ("POST", "/environments"): {201, 400, 401, 403, 404, 409},
    ("GET", "/environments/{id}"): {200, 403, 404},
    ("PATCH", "/environments/{id}"): {200, 400, 403, 404, 409},
    ("DELETE", "/environments/{id}"): {204, 403, 404},
    ("GET", "/audit-log"): {200, 400, 401, 403, 404},
    ("GET", "/health"): {200, 400},
    ("GET", "/health/ready"): {200, 503},
    ("GET", "/openapi.yaml"): {200},
    ("GET", "/openapi.json"): {200},
    ("GET", "/reference"): {200},
    ("GET", "/reference/{asset}"): {200},
    ("GET", "/ui/"): {200},
    ("GET", "/ui/{asset}"): {200, 400},
}


def run_to_its_end(command: list[str], seconds: float) -> tuple[int, str]:
    """The exit status and output of a command. It ends in time, and all that it started with it."""
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=TESTS,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return process.returncode, output


def test_prism_finds_every_response_of_the_api_tests_as_documented(
    node_modules: Path, tmp_path: Path
) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    status, output = run_to_its_end(
        [
            sys.executable, "-m", "pytest", "-q",
            "-p", "no:cacheprovider",
            "-p", "interop.prism_plugin",
            f"--prism={node_modules}",
            f"--prism-reports={reports}",
            # Most of them wait for what a server does by itself.
            "-n4", "--dist=loadfile", "--tb=short",
            f"--basetemp={tmp_path / 'inner'}",
            "api",
            # Bytes as they are: Prism would write them anew, or refuse them.
            "--ignore=api/test_http.py",
            # They wait for what is counted, recorded or pruned later, and ask nothing that others
            # do not.
            "--ignore=api/test_usage.py",
            "--ignore=api/test_refusals.py",
            "--ignore=api/test_retention.py",
            # It makes a large database first, for responses that others have as well.
            "--ignore=api/test_bounded_work.py",
        ],
        seconds=900,
    )  # fmt: skip
    assert status == 0, output

    checked = [
        each for report in reports.iterdir() for each in json.loads(report.read_text("utf-8"))
    ]
    assert sum(count for *_, count in checked) >= 50
    statuses: dict[tuple[str, str], set[int]] = {}
    for method, path, code, _ in checked:
        statuses.setdefault((method, path), set()).add(code)
    assert {what: statuses[what] & codes for what, codes in EXPECTED.items()} == EXPECTED
    assert statuses.keys() == EXPECTED.keys()


@dataclass
class Answer:
    """What a server that is not ours says to everything."""

    status: int = 200
    body: str = '{"status": "ok"}'
    request_id: str | None = f"req_{'0' * 32}"


@contextmanager
def saying(answer: Answer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            if answer.request_id is not None:
                self.send_header("X-Request-Id", answer.request_id)
            self.end_headers()
            self.wfile.write(answer.body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def test_prism_would_find_what_is_not_as_documented(node_modules: Path, tmp_path: Path) -> None:
    answer = Answer()
    with (
        saying(answer) as upstream,
        Prisms(node_modules, tmp_path / "prism.log") as prisms,
    ):
        assert prisms.request(upstream, "GET", "/health").json() == {"status": "ok"}
        for field, wrong, found in (
            ("body", '{"status": "sick"}', "'body', 'status'"),
            ("body", '{"status": "ok", "more": 1}', "'response', 'body'"),
            ("body", "no JSON", "invalid json"),
            ("request_id", None, "'x-request-id'"),
            ("request_id", "1", "'x-request-id'"),
            ("status", 418, "status code"),
        ):
            right = getattr(answer, field)
            setattr(answer, field, wrong)
            with pytest.raises(AssertionError, match=found):
                prisms.request(upstream, "GET", "/health")
            setattr(answer, field, right)
