"""Prints the figures of docs/contract-testing.md: `python -m sandbox [--starts 20] [--resets 500]`.

A start is measured from the process to the line of JSON, and beside it a bare start of Python with
the same imports, in turn, so that both have the same machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

COMMAND = str(Path(sys.executable).with_name("hookstream-keys"))
#: All that a sandbox has imported when it accepts connections.
IMPORTS = (
    "import hookstream_keys.cli.sandbox, hookstream_keys.sandbox.application,"
    " hookstream_keys.sandbox.serving"
)

ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("HOOKSTREAM_", "BETTER_AUTH_"))
}


@contextmanager
def running_sandbox() -> Iterator[tuple[dict[str, Any], float]]:
    """A sandbox's facts, and how many milliseconds they took."""
    begun = time.perf_counter()
    with subprocess.Popen(
        [COMMAND, "sandbox", "--json"], stdout=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            facts = json.loads(process.stdout.readline())
            yield facts, (time.perf_counter() - begun) * 1000
        finally:
            process.terminate()


def bare_start() -> float:
    """How many milliseconds Python takes to start and to import the same."""
    begun = time.perf_counter()
    # As the command does, without the warnings that libraries have for their developers.
    command = [sys.executable, "-W", "ignore", "-c", IMPORTS]
    subprocess.run(command, env=ENVIRONMENT, check=True)
    return (time.perf_counter() - begun) * 1000


class Client:
    """One connection, kept."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self._facts = facts
        self._connection = HTTPConnection(urlsplit(facts["base_url"]).netloc)

    def send(self, method: str, path: str, body: Any = None, expected: int = 200) -> float:
        """How many milliseconds a request takes. Raises RuntimeError for another status."""
        headers = {"X-API-Key": self._facts["key"], "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body)
        begun = time.perf_counter()
        self._connection.request(method, path, content, headers)
        answer = self._connection.getresponse()
        read = answer.read()
        took = (time.perf_counter() - begun) * 1000
        if answer.status != expected:
            raise RuntimeError(f"{method} {path}: {answer.status} {read!r}")
        return took

    def create(self) -> float:
        """Create a key."""
        place = {name: self._facts[name] for name in ("org_id", "env_id")}
        return self.send("POST", "/v1/auth/api-keys", {"name": "Key", **place}, 201)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--resets", type=int, default=500)
    options = parser.parse_args()

    starts, bare = [], []
    for _ in range(options.starts):
        bare.append(bare_start())
        with running_sandbox() as (facts, took):
            starts.append(took)
            # The first request after the line succeeds.
            Client(facts).create()
    difference = statistics.median(starts) - statistics.median(bare)
    print(f"start to JSON line: median {statistics.median(starts):.0f} ms of {len(starts)}")
    print(f"Python with the same imports: median {statistics.median(bare):.0f} ms")
    print(f"difference: {difference:.0f} ms")
    print(f"first requests that succeeded: {len(starts)} of {len(starts)}")

    with running_sandbox() as (facts, _):
        client = Client(facts)
        resets = []
        for _ in range(options.resets):
            client.create()
            resets.append(client.send("POST", "/_sandbox/reset"))
        show("reset after a created key", resets)
        made = [
            client.send("POST", "/_sandbox/tenants", {"name": f"gw{number}"}, 201)
            for number in range(32)
        ]
        show("tenant", made)
        show("creating a key", [client.create() for _ in range(options.resets)])


def show(what: str, values: list[float]) -> None:
    """Print the median and the 95th percentile."""
    p95 = statistics.quantiles(values, n=20)[-1]
    print(f"{what}: p50 {statistics.median(values):.1f} ms, p95 {p95:.1f} ms of {len(values)}")


if __name__ == "__main__":
    main()
