"""What the tests of commands begin with."""

import pytest
from support import Database, Tenant


@pytest.fixture
def tenant(database: Database) -> Tenant:
    """What `init` created in the test's database."""
    return database.init()
