"""The pytest plugin: fixtures `hookstream` and `hookstream_keys`.

pytest loads this module in every run of an environment in which hookstream-keys is installed. It
only declares fixtures and options: all else is imported when a test uses a fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hookstream_keys.testing.sandbox import Sandbox

# ruff: noqa: PLC0415 - the module's docstring has the reason


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of pytest's configuration file."""
    parser.addini(
        "hookstream_options",
        "options of `hookstream-keys sandbox`, such as: --seed 7 --clock 2026-06-01T00:00:00Z",
        type="args",
    )
    parser.addini(
        "hookstream_command",
        "the command of the sandbox; default: python -m hookstream_keys sandbox",
        type="args",
    )


@pytest.fixture(scope="session")
def hookstream(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sandbox]:
    """A sandbox that runs for the session. Nothing resets it; tests use `hookstream_keys`.

    Under pytest-xdist all workers share one process, and each has a tenant of its own.
    """
    from hookstream_keys.testing.process import COMMAND, running_sandbox

    options: list[str] = pytestconfig.getini("hookstream_options")
    command: list[str] | tuple[str, ...] = pytestconfig.getini("hookstream_command") or COMMAND
    worker: dict[str, str] | None = getattr(pytestconfig, "workerinput", None)
    if worker is None:
        with running_sandbox(options, command) as sandbox:
            yield sandbox
        return
    from hookstream_keys.testing.sharing import tenant_of_worker

    # Workers' folders are beside one another in the run's.
    folder = tmp_path_factory.getbasetemp().parent / "hookstream-sandbox"
    with tenant_of_worker(folder, worker["workerid"], options, command) as sandbox:
        yield sandbox


@pytest.fixture
def hookstream_keys(hookstream: Sandbox) -> Sandbox:
    """The sandbox as it was at the start: data, clock, faults and recorded requests."""
    hookstream.reset()
    return hookstream
