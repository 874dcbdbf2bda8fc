"""What the tests of commands begin with."""

from dataclasses import replace

import pytest
from support import Database, Tenant
from support.history import World, begin


@pytest.fixture
def tenant(database: Database) -> Tenant:
    """What `init` created in the test's database."""
    return database.init()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Keys of every state, their rotations, environments and members; all of it by the API."""
    return begin(Database(tmp_path_factory.mktemp("original") / "hookstream.db"))


@pytest.fixture
def world(original: World, database: Database) -> World:
    """A copy of it, to change."""
    database.copy_of(original.database)
    return replace(original, database=database)
