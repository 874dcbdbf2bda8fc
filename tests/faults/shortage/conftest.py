"""A server whose disk and clock a test can spoil."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.shortage.client import Client
from faults.shortage.faults import SOURCE, Injector
from support import Database, programs, serving


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The faults, compiled."""
    return programs.library(SOURCE, tmp_path_factory.mktemp("inject"))


@pytest.fixture(scope="module")
def injector(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Injector:
    """The faults of the module's server."""
    return Injector.beside(tmp_path_factory.mktemp("server") / "hookstream.db", library)


@pytest.fixture(scope="module")
def client(injector: Injector) -> Iterator[Client]:
    """The module's server, on the database that `init` created, without faults yet."""
    database = Database(injector.database)
    tenant = database.init()
    with serving(database, **injector.environment) as server, Client(server, tenant) as client:
        yield client


@pytest.fixture
def own_injector(library: Path, database: Database) -> Injector:
    """The faults of what the test starts on its own database."""
    return Injector.beside(database.path, library)
