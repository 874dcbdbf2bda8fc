"""What the kit's tests share."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.programs import node_packages
from support.sandboxes import Sandbox, sandbox

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def node_modules(node: str) -> Path:  # they need Node.js
    """The folder of the packages in package.json."""
    return node_packages(HERE)


@pytest.fixture
def free_port() -> int:
    """A port that no process listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and answers nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def running_sandbox() -> Iterator[Sandbox]:
    """The module's sandbox, as its tests have left it."""
    with sandbox() as running:
        yield running


@pytest.fixture
def world(running_sandbox: Sandbox) -> Sandbox:
    """The module's sandbox, reset."""
    running_sandbox.reset()
    return running_sandbox
