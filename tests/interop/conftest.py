"""Programs of other projects, and what to do where they are missing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from interop import better_auth as better_auth_peer
from support import Database, Tenant
from support.programs import node_packages

HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "better_auth(**options): the options of `better_auth`")


@pytest.fixture(scope="session")
def node_modules(node: str) -> Path:  # they need Node.js
    """The folder of the packages in package.json."""
    return node_packages(HERE)


@pytest.fixture(scope="session")
def peer(node: str, node_modules: Path) -> better_auth_peer.Run:
    """Run better-auth's migration code on a database: what it prints, and its warnings."""
    return better_auth_peer.runner(node)


@pytest.fixture(scope="session")
def serve(node: str, node_modules: Path) -> better_auth_peer.Serve:
    """Run better-auth's server on a database."""
    return better_auth_peer.server(node)


@pytest.fixture(scope="module")
def better_auth(
    request: pytest.FixtureRequest, server_database: Database, serve: better_auth_peer.Serve
) -> Iterator[better_auth_peer.BetterAuth]:
    """better-auth's server on the database of the module's server."""
    mark = request.node.get_closest_marker("better_auth")
    with serve(server_database, **(mark.kwargs if mark else {})) as running:
        yield running


@pytest.fixture(scope="module")
def owner(better_auth: better_auth_peer.BetterAuth, tenant: Tenant) -> better_auth_peer.Person:
    """The owner that `init` created, signed in at better-auth with the password that it printed."""
    return better_auth.sign_in(tenant.email, tenant.password)
