"""What tests of rights share: a client of the module's server, and rows in its database."""

from collections.abc import Iterator

import httpx
import pytest
from security.world import Rows
from support import Server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def rows(server: Server) -> Iterator[Rows]:
    rows = Rows(server.database)
    yield rows
    rows.close()
