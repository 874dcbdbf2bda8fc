"""Floods of requests, by a program that is quicker than the server: `flood.c`."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import Server


@dataclass(frozen=True)
class Outcome:
    """What came of a flood."""

    sent: int
    #: Requests that found every connection waiting for an answer.
    unsent: int
    #: Connections that ended before their answer.
    broken: int
    #: Answers that had not come two minutes after the end.
    unanswered: int
    #: The longest wait for an answer that came, in milliseconds.
    longest_ms: float
    #: How many answers of each status.
    statuses: dict[int, int]

    @classmethod
    def of(cls, line: str) -> "Outcome":
        found: dict[str, Any] = json.loads(line)
        statuses = {int(status): count for status, count in found.pop("statuses").items()}
        return cls(**found, statuses=statuses)


@dataclass(frozen=True)
class Request:
    """A request that is sent again and again."""

    method: str
    path: str
    key: str
    body: Any

    def raw(self) -> bytes:
        body = json.dumps(self.body).encode()
        head = (
            f"{self.method} /v1{self.path} HTTP/1.1\r\nHost: t\r\nX-API-Key: {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def start(
    program: Path, server: Server, *, connections: int, seconds: float, rate: float
) -> "subprocess.Popen[bytes]":
    """Begin a flood of `rate` requests a second, of what is then written to its input."""
    arguments = [str(program), str(server.address[1]), str(connections), str(seconds), str(rate)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def flood(
    program: Path,
    server: Server,
    request: Request,
    *,
    connections: int,
    seconds: float,
    rate: float,
) -> Outcome:
    """Flood the server and say what came of it."""
    process = start(program, server, connections=connections, seconds=seconds, rate=rate)
    printed, _ = process.communicate(request.raw(), timeout=seconds + 180)
    return Outcome.of(printed.decode())
