"""`hookstream-keys users`, `orgs` and `envs`: what an operator needs no SQL for."""

import json
from typing import Any

import pytest
from support import Database, Tenant, serving
from support.backups import answer, command, create

PASSWORD = "a password of a colleague"


def actions(database: Database) -> list[tuple[Any, ...]]:
    """The changes in the audit log, oldest first, after those of `init`."""
    # By time, since on PostgreSQL each organization has its own numbers; these tell what was first
    # in a millisecond.
    rows = database.execute(
        "select action, org_id, resource_id from audit_log order by created_at, seq"
    )[3:]
    return [row for row in rows if not row[0].endswith((".refused", ".sealed"))]


def test_a_colleague_gets_in_while_sign_up_is_closed(database: Database, tenant: Tenant) -> None:
    made = answer(database, "users", "create", "--email", "Grace@example.com", "--name", "Grace")
    assert list(made) == ["user_id", "email", "name", "password"]
    assert made["email"] == "grace@example.com"
    added = answer(database, "orgs", "add-member", tenant.org_id, "--email", made["email"])
    assert added["member"]["role"] == "member"
    assert actions(database) == [
        ("user.created", made["user_id"], made["user_id"]),
        ("member.added", tenant.org_id, added["member"]["id"]),
    ]
    assert made["password"] not in database.dump()
    with serving(database) as server:
        body = {"email": made["email"], "password": made["password"]}
        signed_in = server.request("POST", "/auth/sign-in/email", json=body)
        assert signed_in.status_code == 200
        bearer = {"Authorization": f"Bearer {signed_in.json()['token']}"}
        listed = server.request("GET", "/organizations", headers=bearer).json()["organizations"]
        # It made no organization of their own.
        assert [(each["id"], each["role"]) for each in listed] == [(tenant.org_id, "member")]
        done = answer(database, "users", "set-password", made["email"])
        assert done["ended_sessions"] == 1
        assert server.request("GET", "/organizations", headers=bearer).status_code == 401
        body = {"email": made["email"], "password": made["password"]}
        assert server.request("POST", "/auth/sign-in/email", json=body).status_code == 401
        body["password"] = done["password"]
        assert server.request("POST", "/auth/sign-in/email", json=body).status_code == 200
    assert [action for action, *_ in actions(database)][-4:] == [
        "session.created",
        "user.password_set",
        "session.deleted",
        "session.created",
    ]
    assert command(database, "audit", "verify", "--state").returncode == 0


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_password_is_read_from_standard_input_and_not_shown(
    database: Database, tenant: Tenant, end: str
) -> None:
    words = ("users", "create", "--email", "a@example.com", "--name", "A", "--password-stdin")
    made = command(database, *words, stdin=PASSWORD + end)
    assert made.returncode == 0, made.stderr
    assert PASSWORD not in made.stdout + made.stderr
    changed = command(
        database, "users", "set-password", tenant.email, "--password-stdin", stdin=PASSWORD + end
    )
    assert changed.returncode == 0, changed.stderr
    with serving(database) as server:
        for email in ("a@example.com", tenant.email):
            body = {"email": email, "password": PASSWORD}
            assert server.request("POST", "/auth/sign-in/email", json=body).is_success


@pytest.mark.parametrize("given", ["short", "x" * 129, "", "x" * 2000])
def test_a_password_that_sign_up_refuses_is_refused(
    database: Database, tenant: Tenant, given: str
) -> None:
    before = database.dump()
    words = ("users", "set-password", tenant.email, "--password-stdin")
    refused = command(database, *words, stdin=given)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "it takes 8 to 128" in refused.stderr
    assert not given or given not in refused.stderr
    assert database.dump() == before


def test_no_command_takes_a_password_as_an_argument(database: Database, tenant: Tenant) -> None:
    for words in (
        ("users", "set-password", tenant.email, PASSWORD),
        ("users", "set-password", tenant.email, "--password", PASSWORD),
        ("users", "create", "--email", "a@example.com", "--name", "A", "--password", PASSWORD),
    ):
        assert command(database, *words).returncode == 2


def test_a_user_who_signed_in_elsewhere_gets_a_first_password(
    database: Database, tenant: Tenant
) -> None:
    user_id = database.add_user()
    done = answer(database, "users", "set-password", user_id)
    with serving(database) as server:
        body = {"email": done["email"], "password": done["password"]}
        assert server.request("POST", "/auth/sign-in/email", json=body).is_success
    assert actions(database)[0] == ("user.password_set", user_id, user_id)


def test_sessions_end_at_once_with_an_event_each(database: Database, tenant: Tenant) -> None:
    for _ in range(2):
        database.add_session(tenant.user_id)
    other = database.add_session(database.add_user())
    done = answer(database, "users", "end-sessions", tenant.email.upper())
    assert done == {"user_id": tenant.user_id, "email": tenant.email, "ended_sessions": 2}
    assert database.execute('select token from "session"') == [(other,)]
    events = database.execute("select details from audit_log where action = 'session.deleted'")
    assert [json.loads(details) for (details,) in events] == [{"reason": "ended_by_operator"}] * 2
    assert answer(database, "users", "end-sessions", tenant.user_id)["ended_sessions"] == 0


def test_lists_are_paged_newest_first(database: Database, tenant: Tenant) -> None:
    user_id, org_id = database.add_user(), database.add_organization()
    env_id = database.add_environment(tenant.org_id, "test")
    for words, name, ids in (
        (("users", "list"), "users", [user_id, tenant.user_id]),
        (("orgs", "list"), "organizations", [org_id, tenant.org_id]),
        (("envs", "list", "--org", tenant.org_id), "environments", [env_id, tenant.env_id]),
    ):
        first = answer(database, *words, "--limit", "1")
        assert first["has_more"]
        then = answer(database, *words, "--limit", "1", "--cursor", first["cursor"])
        assert [each["id"] for page in (first, then) for each in page[name]] == ids
        lines = command(database, *words).stdout.splitlines()
        assert [line.split()[0] for line in lines] == ids
        for option in (("--limit", "0"), ("--cursor", "?")):
            refused = command(database, *words, *option)
            assert (refused.returncode, refused.stdout) == (1, "")
            assert refused.stderr.count("\n") == 1
    *_, owner = answer(database, "users", "list")["users"]
    assert owner["organizations"] == {tenant.org_id: "owner"}
    assert owner["email_verified"] is True
    assert "in no organization" in command(database, "users", "list").stdout


def test_what_does_not_exist_is_named_as_over_the_api(database: Database, tenant: Tenant) -> None:
    before = database.dump()
    for words, says in (
        (("users", "set-password", "no@example.com"), "no user has this email address or id.\n"),
        (("users", "end-sessions", "usr_0"), "no user"),
        (("envs", "list", "--org", "org_0"), "not found"),
        (("orgs", "add-member", "org_0", "--email", tenant.email), "not found"),
        (("orgs", "add-member", tenant.org_id, "--email", tenant.email), "member already"),
        (("orgs", "add-member", tenant.org_id, "--email", "no@example.com"), "users create"),
        (("users", "create", "--email", tenant.email, "--name", "A"), "already exists"),
    ):
        refused = command(database, *words)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert says in refused.stderr.lower(), refused.stderr
    assert database.dump() == before


def test_an_unverified_address_needs_the_setting_as_over_the_api(
    database: Database, tenant: Tenant
) -> None:
    user_id = database.add_user()
    database.execute('update "user" set "emailVerified" = false where id = ?', (user_id,))
    words = ("orgs", "add-member", tenant.org_id, "--email", f"{user_id}@example.com")
    assert command(database, *words).returncode == 1
    setting = {"HOOKSTREAM_ADD_UNVERIFIED_MEMBERS": "on"}
    assert command(database, *words, "--role", "owner", **setting).returncode == 0
    assert database.execute('select role from "member" order by rowid') == [("owner",), ("owner",)]


def test_a_key_can_be_created_with_what_the_lists_show(database: Database, tenant: Tenant) -> None:
    (org,) = answer(database, "orgs", "list")["organizations"]
    (env,) = answer(database, "envs", "list", "--org", org["id"])["environments"]
    assert (org["id"], env["id"]) == (tenant.org_id, tenant.env_id)
    assert create(database, tenant)["key"].startswith("hs_live_")
