"""better-auth itself, on the same database and with the same secret as a running server."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from interop.better_auth import BetterAuth, Person, Run, Serve
from support import SECRET, Database, Server, Tenant, assert_error, cookie, iso, run, serving

# Two workers, so that no answer is right because one of them remembers it.
pytestmark = pytest.mark.server(workers=2)


NOTHING_TO_DO: dict[str, list[object]] = {
    "toBeCreated": [],
    "toBeAdded": [],
    "toBeAddedIndexes": [],
    "unsafeChanges": [],
    "schemaProblems": [],
}


Plan = Callable[[Database], tuple[dict[str, Any], str]]


@pytest.fixture(scope="module")
def plan(peer: Run) -> Plan:
    """What better-auth would do to a database, and what it says about it."""

    def ask(database: Database) -> tuple[dict[str, Any], str]:
        printed, warnings = peer("plan", database)
        return json.loads(printed), warnings

    return ask


# One database, served by both


def join(better_auth: BetterAuth, owner: Person, person: Person, tenant: Tenant) -> None:
    """Bring a person into the tenant's organization the way better-auth has it."""
    invitation = better_auth.do(
        owner,
        "/organization/invite-member",
        email=person.email,
        role="member",
        organizationId=tenant.org_id,
    )
    better_auth.do(person, "/organization/accept-invitation", invitationId=invitation["id"])


@pytest.fixture
def member(better_auth: BetterAuth, owner: Person, tenant: Tenant) -> Person:
    """A member of the tenant's organization, by better-auth's doing alone."""
    person = better_auth.sign_up()
    join(better_auth, owner, person, tenant)
    return person


Create = Callable[[dict[str, str]], httpx.Response]


@pytest.fixture(scope="module")
def create(server: Server, tenant: Tenant) -> Create:
    """Ask for a key in the tenant's environment."""

    def send(headers: dict[str, str]) -> httpx.Response:
        body = {"name": "From better-auth", "org_id": tenant.org_id, "env_id": tenant.env_id}
        return server.request("POST", "/auth/api-keys", json=body, headers=headers)

    return send


def by_cookie(server: Server, header: str) -> dict[str, str]:
    return {"Cookie": header, "Origin": server.origin}


def by_bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# Migrations


def test_better_auth_finds_nothing_to_migrate_in_a_database_made_by_init(
    database: Database, plan: Plan
) -> None:
    database.init()
    assert plan(database) == (NOTHING_TO_DO, "")


def test_better_auth_would_say_so_if_a_table_a_column_or_a_type_were_wrong(
    database: Database, plan: Plan
) -> None:
    database.init()
    database.execute('drop table "invitation"')
    database.execute('alter table "organization" drop column "logo"')
    database.execute('alter table "user" drop column "emailVerified"')
    database.execute('alter table "user" add column "emailVerified" text')
    found, warnings = plan(database)
    assert found["toBeCreated"] == ["invitation"]
    assert found["toBeAdded"] == [["organization", ["logo"]]]
    assert "emailVerified" in warnings


def test_init_adds_our_tables_to_a_database_of_better_auth_and_leaves_its_own_alone(
    database: Database,
    peer: Run,
    plan: Plan,
    serve: Serve,
) -> None:
    peer("migrate", database)
    with serve(database) as better_auth:
        ada = better_auth.sign_up()
        org = better_auth.do(ada, "/organization/create", name="Acme", slug="acme")["id"]
        before = set(database.dump().splitlines())

        answer = run("init", "--json", database=database.path)

        assert answer.returncode == 0, answer.stderr
        assert [each["id"] for each in json.loads(answer.stdout)["users"]] == [ada.id]
        assert before <= set(database.dump().splitlines())
        assert [database.count(table) for table in ("api_key", "environment", "audit_log")] == [
            0
        ] * 3
        assert database.count('"user"') == 1
        assert plan(database) == (NOTHING_TO_DO, "")

        env = database.add_environment(org)
        body = {"name": "n", "org_id": org, "env_id": env}
        with serving(database) as server:
            headers = by_cookie(server, ada.cookie)
            created = server.request("POST", "/auth/api-keys", json=body, headers=headers)
        assert created.status_code == 201
        assert better_auth.session_of(ada.cookie) is not None


# Passwords


def test_the_owner_signs_in_at_better_auth_with_the_password_that_init_printed(
    owner: Person, tenant: Tenant
) -> None:
    assert owner.id == tenant.user_id


def test_better_auth_refuses_the_owner_with_another_password(
    better_auth: BetterAuth, tenant: Tenant
) -> None:
    body = {"email": tenant.email, "password": tenant.password + "x"}
    assert better_auth.post("/sign-in/email", body).status_code == 401


# Sessions that better-auth made


def test_the_owner_creates_a_key_with_the_session_of_better_auth(
    create: Create, server: Server, owner: Person
) -> None:
    assert create(by_cookie(server, owner.cookie)).status_code == 201


def test_a_better_auth_user_gets_404_until_they_are_a_member(
    create: Create, server: Server, better_auth: BetterAuth, owner: Person, tenant: Tenant
) -> None:
    ada = better_auth.sign_up()
    assert unquote(ada.signed_token).startswith(f"{ada.token}.")
    ways = [by_cookie(server, ada.cookie), by_bearer(ada.signed_token), by_bearer(ada.token)]
    for headers in ways:
        assert_error(create(headers), 404, "environment_not_found")
    join(better_auth, owner, ada, tenant)
    for headers in ways:
        assert create(headers).status_code == 201


def test_a_member_removed_by_better_auth_gets_404_at_once(
    create: Create,
    server: Server,
    better_auth: BetterAuth,
    owner: Person,
    member: Person,
    tenant: Tenant,
) -> None:
    headers = by_cookie(server, member.cookie)
    assert create(headers).status_code == 201
    better_auth.do(
        owner,
        "/organization/remove-member",
        memberIdOrEmail=member.email,
        organizationId=tenant.org_id,
    )
    assert_error(create(headers), 404, "environment_not_found")


def test_the_key_is_recorded_as_created_by_the_better_auth_user(
    create: Create, server: Server, member: Person
) -> None:
    created = create(by_cookie(server, member.cookie)).json()
    rows = server.database.execute("select created_by from api_key where id = ?", (created["id"],))
    assert rows == [(member.id,)]


def test_an_expired_session_is_401(create: Create, server: Server, member: Person) -> None:
    server.database.execute(
        'update "session" set "expiresAt" = ? where token = ?',
        (iso(datetime.now(UTC) - timedelta(seconds=1)), member.token),
    )
    for headers in (
        by_cookie(server, member.cookie),
        by_bearer(member.signed_token),
        by_bearer(member.token),
    ):
        assert_error(create(headers), 401, "unauthorized")


def test_a_cookie_that_was_tampered_with_or_not_signed_is_401(
    create: Create, server: Server, better_auth: BetterAuth, member: Person
) -> None:
    name, _, value = member.cookie.partition("=")
    token, _, signature = value.partition(".")
    other = better_auth.sign_up().cookie.rpartition(".")[2]
    for wrong in (
        f"{name}={token}",
        f"{name}={token}.",
        f"{name}={token}.{other}",
        f"{name}={token[::-1]}.{signature}",
        cookie(token, secret=SECRET[::-1]),
    ):
        assert_error(create(by_cookie(server, wrong)), 401, "unauthorized")
        assert better_auth.session_of(wrong) is None


def test_a_cookie_is_401_at_once_and_from_every_worker_after_signing_out(
    create: Create, server: Server, better_auth: BetterAuth, member: Person
) -> None:
    headers = by_cookie(server, member.cookie)
    # As many before as after: each worker has seen the cookie when it was valid.
    assert {create(headers).status_code for _ in range(20)} == {201}
    better_auth.do(member, "/sign-out")
    for _ in range(20):
        assert_error(create(headers), 401, "unauthorized")
    assert_error(create(by_bearer(member.token)), 401, "unauthorized")


# Sessions that we take


def test_better_auth_accepts_the_session_that_this_server_accepts(
    create: Create, server: Server, better_auth: BetterAuth, tenant: Tenant
) -> None:
    header = cookie(server.database.add_session(tenant.user_id))
    assert create(by_cookie(server, header)).status_code == 201
    found = better_auth.session_of(header)
    assert found is not None
    assert found["user"]["id"] == tenant.user_id
    assert found["user"]["email"] == tenant.email


def test_a_session_that_ends_here_is_over_at_better_auth(
    server: Server, better_auth: BetterAuth, member: Person, tenant: Tenant
) -> None:
    # One that each side made.
    for header in (cookie(server.database.add_session(tenant.user_id)), member.cookie):
        assert better_auth.session_of(header) is not None
        ended = server.request("POST", "/auth/sign-out", headers=by_cookie(server, header))
        assert ended.status_code == 200
        assert better_auth.session_of(header) is None


# Organizations that we make


def test_better_auth_has_the_organizations_and_members_that_this_server_makes(
    server: Server, better_auth: BetterAuth, owner: Person
) -> None:
    headers = by_cookie(server, owner.cookie)
    ada = better_auth.sign_up()
    server.database.execute('update "user" set "emailVerified" = true where id = ?', (ada.id,))

    def ask(of: str, method: str, path: str, **body: str) -> dict[str, Any]:
        answer = server.request(method, f"/organizations{path}", json=body, headers=headers)
        assert answer.status_code in {200, 201}, answer.text
        found: dict[str, Any] = answer.json()[of]
        return found

    made = ask("organization", "POST", "", name="Acme", slug="acme-made-here")
    theirs = better_auth.get(owner, "/organization/list")
    assert {"id": made["id"], "name": "Acme", "createdAt": made["created_at"]}.items() <= next(
        each for each in theirs if each["slug"] == "acme-made-here"
    ).items()
    assert better_auth.get(ada, "/organization/list") == []

    added = ask("member", "POST", f"/{made['id']}/members", email=ada.email, role="admin")
    (seen,) = better_auth.get(ada, "/organization/list")
    assert seen["id"] == made["id"]
    # An admin's right, at better-auth as well.
    better_auth.do(ada, "/organization/update", organizationId=made["id"], data={"name": "Ada's"})
    assert ask("organization", "GET", f"/{made['id']}")["name"] == "Ada's"

    ask("member", "PATCH", f"/{made['id']}/members/{added['id']}", role="member")
    refused = better_auth.post(
        "/organization/update",
        {"organizationId": made["id"], "data": {"name": "Mine"}},
        {"Cookie": ada.cookie},
    )
    assert refused.status_code == 403
