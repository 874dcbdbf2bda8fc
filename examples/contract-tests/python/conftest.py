from collections.abc import Iterator

import pytest
from key_service import KeyService

from hookstream_keys.testing import Sandbox


@pytest.fixture
def service(hookstream_keys: Sandbox) -> Iterator[KeyService]:
    with KeyService(hookstream_keys.base_url, hookstream_keys.api_key) as service:
        yield service
