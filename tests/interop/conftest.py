"""Programs that nobody here wrote, and what to do where they are missing."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest
from interop import better_auth

HERE = Path(__file__).parent


def require(program: str, package: str) -> str:
    """The path of a program. Without it the test is skipped, or with CI=true fails."""
    # Debian keeps versions of Go beside one another, and not always one of them on the path.
    beside = sorted(Path("/usr/lib").glob(f"{program}-*/bin/{program}"), reverse=True)
    found = shutil.which(program) or next((str(path) for path in beside), None)
    return found or missing(f"{program} is missing; install {package}")


def missing(what: str) -> NoReturn:
    """Skip, saying what to install; but fail where everything is supposed to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js."""
    return require("node", "nodejs npm")


@pytest.fixture(scope="session")
def node_modules(node: str) -> Path:  # it is of no use without Node.js
    """The folder of the packages in package.json."""
    folder = HERE / "node_modules"
    if not folder.is_dir():
        missing(f"{folder} is missing; run: python {HERE / 'npm_ci.py'}")
    return folder


@pytest.fixture(scope="session")
def peer(node: str, node_modules: Path) -> better_auth.Run:
    """Run better-auth's migration code on a file: what it prints, and its warnings."""
    return better_auth.runner(node)


@pytest.fixture(scope="session")
def serve(node: str, node_modules: Path) -> better_auth.Serve:
    """Run better-auth's server on a file."""
    return better_auth.server(node)
