"""What the tests of operations send, and as which caller."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from support import Server, Tenant

Create = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def body(tenant: Tenant) -> dict[str, Any]:
    """A request body that is valid in every way."""
    return {"name": "Production key", "org_id": tenant.org_id, "env_id": tenant.env_id}


@pytest.fixture(scope="module")
def create(server: Server, tenant: Tenant, body: dict[str, Any]) -> Create:
    """Ask for a key, with the tenant's key unless other headers are given."""

    def send(headers: dict[str, str] | None = None, **changes: Any) -> httpx.Response:
        return server.request(
            "POST",
            "/auth/api-keys",
            json={**body, **changes},
            headers={"X-API-Key": tenant.key} if headers is None else headers,
        )

    return send
