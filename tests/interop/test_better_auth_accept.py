"""What better-auth's own organization plugin changes is reported, and accepted by the operator."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from interop.better_auth import BetterAuth, Serve
from support import Database, Tenant, run

pytestmark = pytest.mark.on_sqlite(
    reason="its SQL is of SQLite; tests/transfer has it on PostgreSQL"
)


@pytest.fixture
def tenant(database: Database) -> Tenant:
    return database.init()


@pytest.fixture
def better_auth(database: Database, tenant: Tenant, serve: Serve) -> Iterator[BetterAuth]:
    with serve(database) as running:
        yield running


def accept(database: Database, *options: str) -> tuple[int, list[tuple[str, Any]]]:
    """The exit status, and what is accepted: actions, and what changed."""
    done = run("audit", "accept", *options, "--json", database=database.path)
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["left_count"] == 0
    return done.returncode, [
        (each["action"], each["details"].get("changes", each["details"].get("role")))
        for each in found["changes"]
    ]


def verified(database: Database) -> int:
    """The exit status of `audit verify --state`."""
    return run("audit", "verify", "--state", database=database.path).returncode


def test_audit_accept_records_changes_of_the_organization_plugin(
    database: Database, better_auth: BetterAuth, tenant: Tenant
) -> None:
    owner = better_auth.sign_in(tenant.email, tenant.password)
    org, person = tenant.org_id, better_auth.sign_up()
    invitation = better_auth.do(
        owner,
        "/organization/invite-member",
        email=person.email,
        role="member",
        organizationId=org,
    )
    better_auth.do(person, "/organization/accept-invitation", invitationId=invitation["id"])
    assert (verified(database), accept(database)) == (1, (1, [("member.added", "member")]))
    assert accept(database, "--yes")[0] == verified(database) == 0
    ((member,),) = database.execute('select id from "member" where "userId" = ?', (person.id,))
    better_auth.do(
        owner,
        "/organization/update-member-role",
        memberId=member,
        role="admin",
        organizationId=org,
    )
    better_auth.do(owner, "/organization/update", organizationId=org, data={"name": "Renamed"})
    changes = [
        ("organization.updated", {"name": {"old": "My organization", "new": "Renamed"}}),
        ("member.updated", {"role": {"old": "member", "new": "admin"}}),
    ]
    assert (verified(database), accept(database)) == (1, (1, changes))
    assert accept(database, "--yes")[0] == verified(database) == 0
    better_auth.do(
        owner, "/organization/remove-member", memberIdOrEmail=person.email, organizationId=org
    )
    assert (verified(database), accept(database)) == (1, (1, [("member.removed", "admin")]))
    assert accept(database, "--yes")[0] == verified(database) == 0


def test_an_organization_that_it_deletes_is_recorded_with_its_keys(
    database: Database, better_auth: BetterAuth, tenant: Tenant
) -> None:
    owner = better_auth.sign_in(tenant.email, tenant.password)
    better_auth.do(owner, "/organization/delete", organizationId=tenant.org_id)
    assert database.count("api_key") == 0
    assert verified(database) == 1
    code, changes = accept(database, "--yes")
    assert (code, [action for action, _ in changes]) == (0, ["organization.deleted"])
    assert verified(database) == 0
