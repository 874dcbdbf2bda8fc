"""The proxies that run, each in front of a service."""

from collections.abc import Iterator

import pytest
from interop.forward_auth.protected import PROXIES, Protected, Upstreams, protected_by, upstreams


@pytest.fixture(scope="session")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstreams]:
    """What all proxies share."""
    with upstreams(tmp_path_factory.mktemp("upstreams")) as running:
        yield running


@pytest.fixture(scope="session", params=PROXIES)
def protected(
    request: pytest.FixtureRequest, behind: Upstreams, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Protected]:
    """A service behind each of the proxies."""
    with protected_by(request.param, behind, tmp_path_factory.mktemp(request.param)) as running:
        yield running
