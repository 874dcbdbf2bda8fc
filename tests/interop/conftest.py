"""Programs that nobody here wrote, and what to do where they are missing."""

from pathlib import Path

import pytest
from interop import better_auth
from support.programs import missing, require

HERE = Path(__file__).parent


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
