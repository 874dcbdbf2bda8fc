"""Fixtures for every kind of test: a database, and a server on it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Database, Server, Tenant, serving

ROOT = Path(__file__).parents[1]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A database that nothing has been done with."""
    return Database(tmp_path / "hookstream.db")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own for a module, on a database with the tenant that `init` makes."""
    database = Database(tmp_path_factory.mktemp("server") / "hookstream.db")
    database.init()
    with serving(database) as running:
        yield running


@pytest.fixture(scope="module")
def tenant(server: Server) -> Tenant:
    """What `init` made in the module's database."""
    return server.database.tenant


#: What a checkout has beside the project's own files.
NOT_THE_PROJECT = shutil.ignore_patterns(
    ".git",
    ".tox",
    ".venv*",
    "build",
    "dist",
    "node_modules",
    "*.egg-info",
    "__pycache__",
    ".*cache",
)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh copy, so that nothing which lies around is built in."""
    copy = tmp_path_factory.mktemp("checkout") / "hookstream-keys"
    shutil.copytree(ROOT, copy, ignore=NOT_THE_PROJECT, symlinks=True)
    return copy
