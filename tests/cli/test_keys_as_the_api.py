"""`hookstream-keys keys`: at the machine is answered, and refused, what is over HTTP."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from support import Server
from support.operator import answer, create, keys

Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def ask(server: Server, owner: dict[str, str]) -> Ask:
    """Send a request to the running server, as the owner."""

    def send(method: str, path: str, **arguments: Any) -> httpx.Response:
        return server.request(method, f"/auth/api-keys{path}", headers=owner, **arguments)

    return send


def shape(value: Any) -> Any:
    """The names in it, in their order, without the values."""
    if isinstance(value, dict):
        return [(name, shape(inner)) for name, inner in value.items()]
    return type(value)


def test_the_json_output_has_the_same(server: Server, ask: Ask) -> None:
    tenant = server.database.tenant
    body = {"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id}
    created = create(server.database, tenant, "--metadata", "a=b", "--rate-limit", "9/60")
    assert shape(created) == shape(ask("POST", "", json=body).json())
    path, grace = f"/{created['id']}", ("--grace-period", "60")
    rotated = answer(server.database, "rotate", created["id"], *grace)
    again = ask("POST", f"{path}/rotations", json={"grace_period_seconds": 60})
    assert shape(rotated) == shape(again.json())
    assert answer(server.database, "show", created["id"]) == ask("GET", path).json()
    for options in ({}, {"limit": "1"}, {"state": "revoked"}):
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        page = ask("GET", "", params={"org_id": tenant.org_id, **options}).json()
        assert answer(server.database, "list", "--org", tenant.org_id, *words) == page
    revoked = answer(server.database, "revoke", created["id"])
    assert revoked == ask("GET", path).json()


def test_errors_have_the_same_words(server: Server, ask: Ask) -> None:
    tenant = server.database.tenant
    key_id = create(server.database, tenant)["id"]
    wrong = {"name": "", "org_id": tenant.org_id, "env_id": tenant.env_id, "scopes": "?"}
    for command, refusal in (
        (
            ("create", "--name", "", "--org", tenant.org_id, "--env", tenant.env_id, "--scopes=?"),
            ask("POST", "", json=wrong),
        ),
        (
            ("list", "--org", tenant.org_id, "--limit", "0", "--state", "x"),
            ask("GET", "", params={"org_id": tenant.org_id, "limit": "0", "state": "x"}),
        ),
        (("show", "ak_0"), ask("GET", "/ak_0")),
        (
            ("rotate", key_id, "--grace-period", "x"),
            ask("POST", f"/{key_id}/rotations", json={"grace_period_seconds": "x"}),
        ),
        (
            ("rotate", key_id, "--grace-period", "0", "--expires-at", "2030-01-01"),
            ask(
                "POST",
                f"/{key_id}/rotations",
                json={"grace_period_seconds": 0, "expires_at": "2030-01-01"},
            ),
        ),
        (
            ("revoke", key_id, "--reason", "leaked"),
            ask("DELETE", f"/{key_id}", params={"reason": "leaked"}),
        ),
    ):
        error = refusal.json()
        said = keys(server.database, *command).stderr
        assert error["error"] in said
        for detail in error.get("details", []):
            # The field of the API is named as the option that has it.
            name = detail["location"].rpartition("/")[2].partition("_")[0]
            assert re.search(rf" --{name}[a-z-]*: {re.escape(detail['message'])}[;\n]", said)
            assert detail["location"] not in said
        assert "^" not in said
