"""A client of each kind of the module's server, and a faulty proxy in front of it."""

from collections.abc import Iterator

import pytest
from kit.client.both_clients import client_of
from kit.client.faulty_proxy import FaultyProxy, faulty_proxy
from support import Server, Tenant

from hookstream_keys_client import Client


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which client a test runs with."""
    return str(request.param)


@pytest.fixture
def client(kind: str, server: Server, tenant: Tenant) -> Iterator[Client]:
    """A client with the first key, which may do everything."""
    with client_of(kind, server.url, tenant.key) as made:
        yield made


@pytest.fixture
def user(kind: str, server: Server, tenant: Tenant) -> Iterator[Client]:
    """A client with the owner's session."""
    with client_of(kind, server.url, server.database.add_session(tenant.user_id)) as made:
        yield made


@pytest.fixture(scope="module")
def proxy(server: Server) -> Iterator[FaultyProxy]:
    """A faulty proxy in front of the module's server."""
    with faulty_proxy(server.origin) as running:
        yield running


@pytest.fixture
def elsewhere(server: Server) -> Iterator[FaultyProxy]:
    """Another host, which has seen nothing yet."""
    with faulty_proxy(server.origin) as running:
        yield running


@pytest.fixture
def unsteady(kind: str, proxy: FaultyProxy, tenant: Tenant) -> Iterator[Client]:
    """A client whose requests go through the proxy, which has no fault left of another test."""
    proxy.fail_next()
    with client_of(kind, proxy.url, tenant.key) as made:
        yield made
