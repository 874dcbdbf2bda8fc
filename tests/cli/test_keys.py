"""`hookstream-keys keys create` and `keys verify`."""

import json

from support import Database, Tenant, run


def create(database: Database, tenant: Tenant, **changes: str) -> dict[str, str]:
    options = {"name": "By hand", "org": tenant.org_id, "env": tenant.env_id, **changes}
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    answer = run("keys", "create", *arguments, "--json", database=database.path)
    assert answer.returncode == 0, answer.stderr
    created: dict[str, str] = json.loads(answer.stdout)
    return created


def test_create_answers_as_the_api_does(database: Database) -> None:
    created = create(database, database.init(), scopes="events:read,events:write")
    assert list(created) == ["id", "name", "key", "key_prefix", "scopes", "created_at"]
    assert created["scopes"] == "events:read events:write"
    assert created["key"] not in database.dump()
    rows = database.execute(
        "select action, user_id, api_key_id, ip_address from audit_log where resource_id = ?",
        (created["id"],),
    )
    assert rows == [("api_key.created", None, None, None)]


def test_create_keeps_to_the_specification(database: Database) -> None:
    tenant = database.init()
    before = database.dump()
    for changes, expected in (
        ({"--name": "a\nb"}, "body/name"),
        ({"--scopes": "everything"}, "body/scopes"),
        ({"--env": "env_0"}, "Environment not found"),
        ({"--org": "org_0"}, "Environment not found"),
    ):
        options = {"--name": "n", "--org": tenant.org_id, "--env": tenant.env_id, **changes}
        arguments = [word for pair in options.items() for word in pair]
        answer = run("keys", "create", *arguments, database=database.path)
        assert (answer.returncode, answer.stdout) == (1, "")
        assert expected in answer.stderr
        assert answer.stderr.count("\n") == 1
    assert database.dump() == before


def test_verify_a_good_key(database: Database) -> None:
    tenant = database.init()
    answer = run("keys", "verify", "--json", database=database.path, stdin=tenant.key + "\n")
    assert answer.returncode == 0
    facts = json.loads(answer.stdout)
    assert (facts["valid"], facts["code"]) == (True, "VALID")
    assert (facts["org_id"], facts["env_id"]) == (tenant.org_id, tenant.env_id)
    assert tenant.key not in answer.stdout


def test_verify_says_what_is_wrong(database: Database) -> None:
    tenant = database.init()
    created = create(database, tenant)
    database.revoke(created["key_prefix"])
    other = Database(database.path.with_name("other.db"))
    unknown = other.init().key
    for secret, code in (
        ("nonsense", "MALFORMED"),
        ("", "MALFORMED"),
        (tenant.key[:-1], "MALFORMED"),
        (unknown, "NOT_FOUND"),
        (created["key"], "REVOKED"),
    ):
        answer = run("keys", "verify", "--json", database=database.path, stdin=secret + "\n")
        assert answer.returncode == 1, code
        assert json.loads(answer.stdout)["code"] == code
        assert json.loads(answer.stdout)["valid"] is False


def test_neither_makes_a_database(database: Database) -> None:
    for arguments in (
        ("verify",),
        ("create", "--name", "n", "--org", "o", "--env", "e"),
    ):
        answer = run("keys", *arguments, database=database.path)
        assert answer.returncode == 1
        assert answer.stderr.count("\n") == 1
        assert not database.path.exists()
