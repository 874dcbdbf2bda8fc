import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import settings
from support.engines import engines
from support.postgresql import Cluster, shared_cluster
from support.results import result_of
from unit import samples

from hookstream_keys.store import SqliteStore, Store, Tenant, open_store

# No deadline, because the machine may be busy; no example database, so that runs leave no files.
settings.register_profile("full", deadline=None, database=None)
settings.register_profile("quick", settings.get_profile("full"), max_examples=10)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "full"))


class Engine(Protocol):
    """A database to test a store on, reached without the store."""

    url: str

    def run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Execute one statement, with `?` for each value, and commit."""

    def add_session(self, token: str, user_id: str, expires_at: str | int) -> None:
        """Store a session as better-auth's adapter for this engine does."""


def insert_session(engine: Engine, token: str, user_id: str, expires_at: str | int) -> None:
    """Store a session, whose other times are noon."""
    engine.run(
        """insert into "session" (id, "expiresAt", token, "createdAt", "updatedAt", "userId")
           values (?, ?, ?, ?, ?, ?)""",
        f"id-of-{token}",
        expires_at,
        token,
        samples.NOON,
        samples.NOON,
        user_id,
    )


class Sqlite:
    def __init__(self, directory: Path) -> None:
        self.path = directory / "keys.db"
        self.url = f"sqlite:///{self.path}"

    def run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("pragma foreign_keys = on")
            return connection.execute(sql, values).fetchall()

    def add_session(self, token: str, user_id: str, expires_at: str | int) -> None:
        insert_session(self, token, user_id, expires_at)


class Postgresql:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.url = cluster.new_database()

    def run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._cluster.execute(self.url, sql, *values)

    def add_session(self, token: str, user_id: str, expires_at: str | int) -> None:
        if isinstance(expires_at, int):
            pytest.skip("its column has times only")
        insert_session(self, token, user_id, expires_at)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    return shared_cluster()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on each engine, or on the one that it names."""
    if "engine" in metafunc.fixturenames:
        only = set(ENGINES) & set(metafunc.fixturenames) or set(ENGINES)
        names = [name for name in engines() if name in only]
        metafunc.parametrize("engine", names, indirect=True)


@pytest.fixture
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    return ENGINES[request.param](request, tmp_path)


ENGINES: dict[str, Callable[[pytest.FixtureRequest, Path], Engine]] = {
    "sqlite": lambda _, directory: Sqlite(directory),
    "postgresql": lambda request, _: Postgresql(request.getfixturevalue("cluster")),
}


@pytest.fixture
def store(engine: Engine) -> Iterator[Store]:
    opened = open_store(engine.url)
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def tenant(store: Store) -> Tenant:
    stored = samples.tenant()
    assert result_of(store.add_first_tenant(stored))
    return stored


@pytest.fixture
def sqlite(tmp_path: Path) -> Sqlite:
    return Sqlite(tmp_path)


@pytest.fixture
def postgresql(engine: Engine) -> Postgresql:
    assert isinstance(engine, Postgresql)
    return engine


@pytest.fixture
def opened(sqlite: Sqlite) -> Iterator[SqliteStore]:
    store = SqliteStore(sqlite.path)
    store.migrate()
    yield store
    store.close()
