"""A server whose disk and clock a test can spoil."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.shortage.client import Client
from faults.shortage.faults import Injector, build_injector
from support import Database, serving


@pytest.fixture(scope="session")
def cc() -> str:
    """A C compiler. Without one the tests are skipped, or with CI=true fail."""
    found = shutil.which("cc")
    if found is None:
        message = "cc is missing; install build-essential"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture(scope="session")
def library(cc: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The faults, compiled."""
    return build_injector(cc, tmp_path_factory.mktemp("inject"))


@pytest.fixture(scope="module")
def injector(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Injector:
    """The faults of the module's server."""
    return Injector.beside(tmp_path_factory.mktemp("server") / "hookstream.db", library)


@pytest.fixture(scope="module")
def client(injector: Injector) -> Iterator[Client]:
    """A server for the module, on the database that `init` made, with nothing wrong yet."""
    database = Database(injector.database)
    tenant = database.init()
    with serving(database, **injector.environment) as server, Client(server, tenant) as client:
        yield client


@pytest.fixture
def own_injector(library: Path, database: Database) -> Injector:
    """The faults of what the test starts on its own database."""
    return Injector.beside(database.path, library)
