"""Drive the service in this process, without a network, and draw where the time goes.

Run in the benchmark's folder: `python -m anatomy [requests]`. Measuring costs time itself, so
each layer gets its share of the time of a request that is not measured.
"""

import asyncio
import json
import logging.config
import os
import statistics
import sys
import time
from typing import Any

from harness.hookstream import Hookstream, settings
from harness.places import WORK
from harness.system import Data
from starlette.types import Message

from anatomy import layers
from anatomy.stopwatch import Stopwatch
from hookstream_keys.app import create_app
from hookstream_keys.runtime import logs
from hookstream_keys.settings import Settings

_REQUESTS = 5_000
_ROUNDS = 5
#: A bar's characters for a microsecond.
_SCALE = 2


def main() -> None:
    """Measure, then watch, then print."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else _REQUESTS
    data = Data(WORK / "anatomy").empty()
    Hookstream().seed(data, 1)
    os.environ.update(settings(data))
    # As served: a line for every request. That it goes nowhere leaves out writing it to a file.
    with open(os.devnull, "w", encoding="utf-8") as sys.stderr:  # noqa: PTH123
        logging.config.dictConfig(logs.config("info"))
        works = _works(data)
        unwatched = {work: asyncio.run(_measure(works[work], requests)) for work in works}
        watch = Stopwatch()
        layers.watch(watch)
        for work, request in works.items():
            watch.clear()
            asyncio.run(_measure(request, requests))
            _print(work, unwatched[work], watch.spent)


def _works(data: Data) -> dict[str, dict[str, Any]]:
    key = data.facts()["BENCH_CALLER"]
    body = json.dumps({"key": key}).encode()
    return {
        "authorize": _scope("GET", "/v1/auth/authorize", key, b""),
        "verify": _scope("POST", "/v1/auth/api-keys/verify", key, body),
    }


def _scope(method: str, path: str, key: str, body: bytes) -> dict[str, Any]:
    headers = [(b"host", b"127.0.0.1"), (b"x-api-key", key.encode())]
    if body:
        headers += [(b"content-type", b"application/json")]
        headers += [(b"content-length", b"%d" % len(body))]
    return {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": b"", "scheme": "http", "http_version": "1.1", "headers": headers,
        "client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 8080), "body": body,
    }  # fmt: skip


async def _measure(request: dict[str, Any], requests: int) -> float:
    """The median CPU time of a request, in nanoseconds, over rounds."""
    app = create_app(Settings.from_environment())
    body = request["body"]

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] not in (200, 204):
            raise RuntimeError(f"answered {message['status']}")

    found = []
    for _ in range(_ROUNDS):
        begun = time.process_time_ns()
        for _ in range(requests):
            await app({**request}, receive, send)
        found.append((time.process_time_ns() - begun) / requests)
    return statistics.median(found)


def _print(work: str, request: float, spent: dict[str, int]) -> None:
    whole = sum(spent.values())
    print(f"{work}: {request / 1000:.0f} µs of CPU in the application\n")
    for layer in layers.LAYERS:
        micro = spent.get(layer, 0) / whole * request / 1000
        print(f"{layer:13}{micro:5.1f} µs  {'█' * round(micro * _SCALE)}")
    print()


if __name__ == "__main__":
    main()
