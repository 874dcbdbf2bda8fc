"""Fixtures for every kind of test: a database, and a server on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Database, Server, Tenant, serving


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A database that nothing has been done with."""
    return Database(tmp_path / "hookstream.db")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own for a module, on a database with the tenant that `init` makes."""
    database = Database(tmp_path_factory.mktemp("server") / "hookstream.db")
    tenant = database.init()
    _TENANTS[database.path] = tenant
    with serving(database) as running:
        yield running


@pytest.fixture(scope="module")
def tenant(server: Server) -> Tenant:
    """What `init` made in the module's database."""
    return _TENANTS[server.database.path]


_TENANTS: dict[Path, Tenant] = {}
