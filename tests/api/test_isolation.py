"""What is another tenant's answers as what never was: over every operation that takes an id.

The operations are read from the document, so that a new one is covered on the day that it is
added, or makes this fail until it is said what a body for it looks like.
"""

from typing import Any

import pytest
import yaml
from support import Server, Tenant

from hookstream_keys import spec

DOCUMENT = yaml.safe_load(spec.source())

#: A good body for each operation that takes an id and a body.
BODIES: dict[str, dict[str, Any]] = {"updateApiKey": {"name": "Mine now"}}

OPERATIONS = [
    pytest.param(operation, id=operation.id)
    for operation in spec.operations(DOCUMENT)
    if "{id}" in operation.path
]


@pytest.fixture(scope="module")
def foreign(server: Server) -> dict[str, str]:
    """By the first part of a path that names a kind of thing: the id of one, of another tenant."""
    user = server.database.add_user()
    org = server.database.add_organization()
    env = server.database.add_environment(org)
    server.database.add_member(org, user, "owner")
    headers = {"Authorization": f"Bearer {server.database.add_session(user)}"}
    body = {"name": "Theirs", "org_id": org, "env_id": env}
    key = server.request("POST", "/auth/api-keys", headers=headers, json=body).json()
    return {"/auth/api-keys/": key["id"]}


def test_there_are_operations_that_take_an_id() -> None:
    assert len(OPERATIONS) >= 3


@pytest.mark.parametrize("operation", OPERATIONS)
def test_404_what_is_another_tenants_is_as_what_never_was(
    server: Server, tenant: Tenant, foreign: dict[str, str], operation: spec.Operation
) -> None:
    kind, _, rest = operation.path.partition("{id}")
    session = server.database.add_session(tenant.user_id)
    for headers in (
        {"X-API-Key": tenant.key},
        {"Authorization": f"Bearer {tenant.key}"},
        {"Authorization": f"Bearer {session}"},
    ):
        answers = [
            server.request(
                operation.method,
                f"{kind}{wanted}{rest}",
                headers=headers,
                **({"json": BODIES[operation.id]} if operation.consumes else {}),
            )
            for wanted in (foreign[kind], foreign[kind][:-1] + "x", "never-was")
        ]
        shown = set()
        for answer in answers:
            assert answer.status_code == 404, answer.text
            request_id = answer.json()["request_id"]
            kept = sorted((n, v) for n, v in answer.headers.items() if n != "date")
            shown.add(f"{kept}{answer.text}".replace(request_id, ""))
        assert len(shown) == 1, shown
