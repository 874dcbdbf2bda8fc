"""The proxies that run, each in front of a service."""

from collections.abc import Iterator

import pytest
from interop.forward_auth.protected import PROXIES, Protected, protected_by


@pytest.fixture(scope="module", params=PROXIES)
def protected(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Protected]:
    """A service behind each of the proxies."""
    with protected_by(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running
