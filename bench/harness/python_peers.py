"""The peers in Python: the bare application, FastAPI, and djangorestframework-api-key."""

import os
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from harness.environments import pinned, python_environment
from harness.hookstream import seed
from harness.places import PEERS
from harness.programs import run
from harness.system import Data, Launch, System


class _Python(System):
    """A peer in a virtual environment of its own."""

    #: Its folder among the peers.
    folder: ClassVar[str]
    #: The packages whose versions are worth a reader's time.
    parts: ClassVar[tuple[str, ...]]

    def install(self) -> None:
        """Make its environment."""
        python_environment(self.folder)

    def versions(self) -> dict[str, str]:
        """What it is made of."""
        found = pinned(self.folder)
        return {part: found[part] for part in self.parts}

    def program(self, name: str) -> Path:
        """A program of its environment."""
        return python_environment(self.folder) / name


class _OnUvicorn(_Python):
    """A peer that serves our own database, with our own statements, on our own web server."""

    speaks = "hookstream"
    works: ClassVar[tuple[str, ...]] = ("verify", "authorize", "create")
    table = "api_key"
    has_audit_log = True

    def seed(self, data: Data, count: int) -> None:
        """Make the database that this server would have."""
        seed(data, count, known=count)

    def launch(self, data: Data, port: int, workers: int = 1) -> Launch:
        """How to start it."""
        uvicorn = (self.program("uvicorn"), "app:app", "--port", str(port))
        options = ("--loop", "uvloop", "--http", "httptools", "--no-access-log")
        environment = {"BENCH_DATABASE": str(data.database), "PYTHONPATH": str(PEERS)}
        return Launch(
            (*uvicorn, *options, "--workers", str(workers)), environment, PEERS / self.folder
        )


class Bare(_OnUvicorn):
    """Nothing but ASGI: what is possible."""

    name = "bare"
    label = "bare ASGI, the limit"
    folder = "bare"
    parts = ("uvicorn", "uvloop", "httptools", "orjson")


class BareWithOrderedIds(Bare):
    """That, creating rows with identifiers in the order of time, as ours are."""

    name = "bare_ordered"
    label = "bare ASGI, ordered ids"
    works = ("create",)

    def launch(self, data: Data, port: int, workers: int = 1) -> Launch:
        """How to start it."""
        launch = super().launch(data, port, workers)
        return replace(launch, environment={**launch.environment, "BENCH_ORDERED": "1"})


class FastApi(_OnUvicorn):
    """The same service with FastAPI."""

    name = "fastapi"
    label = "hand-written FastAPI"
    folder = "fast_api"
    parts = ("fastapi", "pydantic", "starlette", "uvicorn", "uvloop", "httptools")


class FastApiOnLoop(FastApi):
    """That with `async def` everywhere, which its documentation advises against here."""

    name = "fastapi_on_loop"
    label = "FastAPI, all `async def`"

    def launch(self, data: Data, port: int, workers: int = 1) -> Launch:
        """How to start it."""
        launch = super().launch(data, port, workers)
        return replace(launch, environment={**launch.environment, "BENCH_ON_LOOP": "1"})


class DjangoRestFramework(_Python):
    """Django's customary answer to API keys."""

    name = "drf"
    label = "djangorestframework-api-key"
    speaks = "drf"
    folder = "drf"
    table = "rest_framework_api_key_apikey"
    parts = ("djangorestframework-api-key", "djangorestframework", "Django", "gunicorn")

    def seed(self, data: Data, count: int) -> None:
        """Make a database by its migrations, with so many keys and one more that creates."""
        printed = run(
            self.program("python"), PEERS / "drf" / "seed.py", str(count),
            env=os.environ | self._environment(data),
        )  # fmt: skip
        keys = [(line.partition(".")[0], line) for line in printed.split()]
        data.write(keys[1:], BENCH_CALLER=keys[0][1])

    def launch(self, data: Data, port: int, workers: int = 1) -> Launch:
        """How to start it."""
        gunicorn = (self.program("gunicorn"), "wsgi", "--bind", f"127.0.0.1:{port}")
        threads = ("--worker-class", "gthread", "--threads", "4", "--keep-alive", "75")
        # gunicorn's own advice: what a worker touches to show that it lives is kept in memory.
        options = ("--workers", str(workers), "--worker-tmp-dir", "/dev/shm")  # noqa: S108
        return Launch((*gunicorn, *threads, *options), self._environment(data), PEERS / "drf")

    def _environment(self, data: Data) -> dict[str, str]:
        return {"BENCH_DATABASE": str(data.database), "DJANGO_SETTINGS_MODULE": "settings"}
