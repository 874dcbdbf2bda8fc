"""Other web servers that speak ASGI, under our own application."""

import sys
from importlib import metadata
from typing import ClassVar

from harness.environments import pinned, python_environment
from harness.hookstream import Hookstream, settings
from harness.system import Data, Launch

_FOLDER = "asgi_servers"
_APPLICATION = "hookstream_keys.app:from_environment"


class OnUvicorn(Hookstream):
    """As it is served, but without a line in the log, which only `serve` sets up."""

    name = "on_uvicorn"
    label = f"on uvicorn {metadata.version('uvicorn')}"

    def launch(self, data: Data, port: int, workers: int = 1) -> Launch:
        """How to start it."""
        launch = super().launch(data, port, workers)
        return Launch(launch.command, {**launch.environment, "HOOKSTREAM_LOG_LEVEL": "warning"})


class _OnAnother(Hookstream):
    """Served by a package that is not ours, beside our own environment."""

    package: ClassVar[str]
    options: ClassVar[tuple[str, ...]]

    def install(self) -> None:
        """Make its environment."""
        python_environment(_FOLDER)

    def launch(self, data: Data, port: int, workers: int = 1) -> Launch:
        """How to start it."""
        programs = python_environment(_FOLDER)
        (packages,) = (programs.parent / "lib").glob("python*/site-packages")
        return Launch(
            (sys.executable, "-m", self.package, *self.where(port), *self.options,
             "--workers", str(workers)),
            {**settings(data), "PYTHONPATH": str(packages)},
        )  # fmt: skip

    def where(self, port: int) -> tuple[str, ...]:
        """The options that say on which port to listen."""
        raise NotImplementedError


class OnGranian(_OnAnother):
    """Granian, whose HTTP is Rust's hyper."""

    name = "on_granian"
    label = f"on granian {pinned(_FOLDER)['granian']}"
    package = "granian"
    options = ("--interface", "asgi", "--loop", "uvloop", "--factory", _APPLICATION)

    def where(self, port: int) -> tuple[str, ...]:
        """The options that say on which port to listen."""
        return ("--host", "127.0.0.1", "--port", str(port))


class OnHypercorn(_OnAnother):
    """Hypercorn, whose HTTP is h11, Python's own."""

    name = "on_hypercorn"
    label = f"on hypercorn {pinned(_FOLDER)['hypercorn']}"
    package = "hypercorn"
    options = ("--worker-class", "uvloop", f"{_APPLICATION}()")

    def where(self, port: int) -> tuple[str, ...]:
        """The options that say on which port to listen."""
        return ("--bind", f"127.0.0.1:{port}")


SERVERS = (OnUvicorn(), OnGranian(), OnHypercorn())
