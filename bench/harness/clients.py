"""Clients that send some requests beside what is measured, from outside their process."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.client_process import Answers
from harness.programs import Unusable


@dataclass(frozen=True)
class Requests:
    """What clients send, and what proves that it was that."""

    #: In the table.
    title: str
    #: Complete HTTP requests, sent in turn; again from the first unless `once`.
    requests: tuple[bytes, ...]
    #: Whether each can be sent once only, since it changes what it needs.
    once: bool = False
    #: The status that shows that it did what it does. 503 is counted, others end the benchmark.
    status: int = 200
    #: What the first response has in it, where the status does not tell enough.
    shows: str = ""
    #: How many are sent in a second, if the server keeps up; 0 for the next one after each answer.
    per_second: float = 0


def http_request(method: str, target: str, credential: str = "", body: Any = None) -> bytes:
    """A complete request, with the line of a header field that has the credential."""
    content = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1"]
    if credential:
        lines.append(credential)
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join((*lines, "", "")).encode() + content


@dataclass
class Sending:
    """A running process of clients."""

    process: subprocess.Popen[str]
    sent: Requests

    def stop(self) -> Answers:
        """Let them wait for their answers and end. Raises Unusable for a wrong answer."""
        printed, _ = self.process.communicate()
        if self.process.returncode != 0:
            raise Unusable(f"{self.sent.title}: the clients failed:\n{printed}")
        answers = Answers(**json.loads(printed))
        if answers.first_wrong:
            raise Unusable(f"{self.sent.title}: a wrong answer: {answers.first_wrong}")
        if str(self.sent.status) in answers.statuses and self.sent.shows not in answers.first:
            raise Unusable(f"{self.sent.title}: not what was asked for: {answers.first[:500]}")
        return answers


@contextmanager
def sending(port: int, sent: Requests) -> Iterator[Sending]:
    """Clients that send the request until `stop`, or the end of the block."""
    job = {
        "port": port,
        "requests": [request.decode("latin-1") for request in sent.requests],
        "once": sent.once,
        "status": sent.status,
        "per_second": sent.per_second,
    }
    with subprocess.Popen(
        (sys.executable, "-m", "harness.client_process"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None  # noqa: S101 - for mypy: they were asked for
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            process.stdout.readline()
            yield Sending(process, sent)
        finally:
            if process.poll() is None:
                process.kill()
