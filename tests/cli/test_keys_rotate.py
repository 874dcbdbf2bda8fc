"""`hookstream-keys keys rotate`."""

import json
from typing import Any

import pytest
from support import Database, Tenant, run
from support.operator import (
    answer,
    assert_facts,
    assert_misspelt,
    assert_refused,
    audit_rows,
    create,
    keys,
)

END = "2999-01-01T00:00:00.000Z"


@pytest.fixture
def key(database: Database, tenant: Tenant) -> dict[str, Any]:
    return create(database, tenant, "--expires-at", "2999-01-01T00:00:00Z")


def code(database: Database, secret: str) -> str:
    done = run("keys", "verify", "--json", database=database.path, stdin=secret)
    found: str = json.loads(done.stdout)["code"]
    return found


def test_the_new_secret_is_shown_once_and_both_are_valid(
    database: Database, key: dict[str, Any]
) -> None:
    rotated = answer(database, "rotate", key["id"], "--grace-period", "3600")
    assert list(rotated) == ["rotation", "key"]
    rotation = rotated["rotation"]
    assert (rotation["state"], rotation["grace_period_seconds"]) == ("pending", 3600)
    assert rotation["expires_at"] == END
    assert rotated["key"].startswith(rotation["key_prefix"])
    assert [code(database, secret) for secret in (key["key"], rotated["key"])] == ["VALID"] * 2
    assert rotated["key"] not in database.dump()
    assert answer(database, "show", key["id"])["api_key"]["rotations"] == [rotation]
    assert audit_rows(database, key["id"])[1:] == [("api_key.rotated", None, None, None)]


def test_the_text_output_shows_the_same(database: Database, key: dict[str, Any]) -> None:
    done = keys(database, "rotate", key["id"], "--grace-period", "0")
    assert (done.returncode, done.stderr) == (0, "")
    (rotation,) = answer(database, "show", key["id"])["api_key"]["rotations"]
    assert_facts(
        done.stdout,
        id=key["id"],
        rotation=rotation["id"],
        key_prefix=rotation["key_prefix"],
        state="pending",
        grace_period_seconds="0",
        expires_at=END,
    )
    secret = done.stdout.splitlines()[1].split()[1]
    assert code(database, secret) == "VALID"
    assert secret not in database.dump()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), END),
        (("--expires-at", "2030-01-01T00:00:00Z"), "2030-01-01T00:00:00.000Z"),
        (("--never-expires",), None),
    ],
)
def test_the_new_secret_expires_when_it_is_said(
    database: Database, key: dict[str, Any], options: tuple[str, ...], expected: str | None
) -> None:
    rotated = answer(database, "rotate", key["id"], "--grace-period", "60", *options)
    assert rotated["rotation"]["expires_at"] == expected
    # The old secret stays what it was.
    assert answer(database, "show", key["id"])["api_key"]["expires_at"] == END


def test_the_text_output_says_never(database: Database, key: dict[str, Any]) -> None:
    done = keys(database, "rotate", key["id"], "--grace-period", "60", "--never-expires")
    assert_facts(done.stdout, expires_at="never")


def test_it_keeps_to_the_document(database: Database, key: dict[str, Any]) -> None:
    for key_id, grace, more, says in (
        ("ak_0", "60", (), "API key not found"),
        ("no id", "60", (), "KEY_ID: "),
        (key["id"], "-1", (), "--grace-period: "),
        (key["id"], "86401", (), "--grace-period: "),
        (key["id"], "1.5", (), "--grace-period: "),
        (key["id"], "an hour", (), "--grace-period: "),
        (key["id"], "60", ("--expires-at", "tomorrow"), "--expires-at: "),
    ):
        assert_refused(database, "rotate", key_id, "--grace-period", grace, *more, says=says)


def test_a_key_that_cannot_be_rotated_is_reported(database: Database, tenant: Tenant) -> None:
    ended = create(database, tenant, "--expires-at", "2001-01-01T00:00:00Z")["id"]
    killed = create(database, tenant)["id"]
    answer(database, "revoke", killed)
    assert_refused(database, "rotate", ended, "--grace-period", "60", says="has expired")
    assert_refused(database, "rotate", killed, "--grace-period", "60", says="is revoked")


def test_a_grace_period_is_required_and_at_most_one_expiry(
    database: Database, key: dict[str, Any]
) -> None:
    assert_misspelt(database, "rotate", key["id"], says="--grace-period")
    both = ("--grace-period", "60", "--never-expires", "--expires-at", "2030-01-01T00:00:00Z")
    assert_misspelt(database, "rotate", key["id"], *both, says="give either")
