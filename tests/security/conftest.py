"""What tests of rights share: a server that believes addresses, a client of it, rows for it."""

from collections.abc import Iterator

import httpx
import pytest
from security.world import Rows
from support import Database, Server, serving


@pytest.fixture(scope="module")
def unlimited_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Without a limit on requests; takes the client's address from `X-Forwarded-For`."""
    database = Database(tmp_path_factory.mktemp("unlimited") / "hookstream.db")
    database.init()
    with serving(
        database,
        HOOKSTREAM_TRUSTED_PROXIES="127.0.0.1",
        HOOKSTREAM_RATE_LIMIT="off",
        HOOKSTREAM_VALIDATE_RESPONSES="off",
        HOOKSTREAM_LOG_LEVEL="error",
    ) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def rows(server: Server) -> Iterator[Rows]:
    rows = Rows(server.database)
    yield rows
    rows.close()
