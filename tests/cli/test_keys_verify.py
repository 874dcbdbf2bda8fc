"""`hookstream-keys keys verify`."""

import json

from support import Database, run
from support.operator import create


def test_a_valid_key(database: Database) -> None:
    tenant = database.init()
    answer = run("keys", "verify", "--json", database=database.path, stdin=tenant.key + "\n")
    assert answer.returncode == 0
    facts = json.loads(answer.stdout)
    assert (facts["valid"], facts["code"]) == (True, "VALID")
    assert (facts["org_id"], facts["env_id"]) == (tenant.org_id, tenant.env_id)
    assert tenant.key not in answer.stdout


def test_it_says_what_is_wrong(database: Database) -> None:
    tenant = database.init()
    created = create(database, tenant)
    database.revoke(created["key_prefix"])
    other = Database(database.path.with_name("other.db"))
    unknown = other.run_init().key
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


def test_it_takes_no_key_from_the_command_line(database: Database) -> None:
    tenant = database.init()
    for arguments in ((tenant.key,), ("--key", tenant.key), (f"--key={tenant.key}",)):
        answer = run("keys", "verify", *arguments, database=database.path, stdin=tenant.key)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert tenant.key not in answer.stderr


def test_it_makes_no_database(database: Database) -> None:
    answer = run("keys", "verify", database=database.path)
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert not database.path.exists()
