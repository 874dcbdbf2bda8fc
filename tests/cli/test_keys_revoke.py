"""`hookstream-keys keys revoke`."""

from typing import Any

import pytest
from support import Database, Tenant, run
from support.operator import answer, assert_facts, assert_refused, audit_rows, create, keys

from hookstream_keys.contract import spec

(REASON,) = (
    parameter["schema"]
    for parameter in spec.parameters(spec.document(), "revokeApiKey")
    if parameter["name"] == "reason"
)


@pytest.fixture
def key(database: Database, tenant: Tenant) -> dict[str, Any]:
    return create(database, tenant)


def test_it_is_at_once_and_the_key_is_shown(database: Database, key: dict[str, Any]) -> None:
    found = answer(database, "revoke", key["id"], "--reason", "keyCompromise")
    assert found == answer(database, "show", key["id"])
    assert found["api_key"]["state"] == "revoked"
    assert found["api_key"]["revocation_reason"] == "keyCompromise"
    done = run("keys", "verify", database=database.path, stdin=key["key"])
    assert done.returncode == 1
    assert "REVOKED" in done.stdout
    assert audit_rows(database, key["id"])[1:] == [("api_key.revoked", None, None, None)]


def test_without_a_reason_it_is_unspecified(database: Database, key: dict[str, Any]) -> None:
    done = keys(database, "revoke", key["id"])
    assert (done.returncode, done.stderr) == (0, "")
    assert REASON["default"] == "unspecified"
    assert_facts(done.stdout, id=key["id"], state="revoked", revocation_reason="unspecified")


def test_again_it_changes_nothing_and_says_so(database: Database, key: dict[str, Any]) -> None:
    first = keys(database, "revoke", key["id"], "--reason", "superseded")
    before = database.dump()
    again = keys(database, "revoke", key["id"], "--reason", "keyCompromise")
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert again.stderr == "It was revoked before; nothing was changed.\n"
    as_json = answer(database, "revoke", key["id"])
    assert as_json["api_key"]["revocation_reason"] == "superseded"
    assert database.dump() == before


def test_every_reason_of_the_document_is_accepted_and_in_the_help(
    database: Database, tenant: Tenant
) -> None:
    said = keys(database, "revoke", "--help").stdout
    (reasons,) = REASON["allOf"]
    for reason in reasons["enum"]:
        found = answer(database, "revoke", create(database, tenant)["id"], "--reason", reason)
        assert found["api_key"]["revocation_reason"] == reason
        assert reason in said


def test_it_keeps_to_the_document(database: Database, key: dict[str, Any]) -> None:
    assert_refused(database, "revoke", "ak_0", says="API key not found")
    assert_refused(database, "revoke", "no id", says="KEY_ID: ")
    (reasons,) = REASON["allOf"]
    says = f"--reason: value is not one of {', '.join(reasons['enum'])}"
    for reason in ("leaked", "", "KeyCompromise"):
        assert_refused(database, "revoke", key["id"], "--reason", reason, says=says)


def test_its_descendants_are_revoked_with_it_when_that_is_asked_for(
    database: Database, tenant: Tenant, key: dict[str, Any]
) -> None:
    child, grandchild, other = (create(database, tenant)["id"] for _ in range(3))
    for made, by in ((child, key["id"]), (grandchild, child)):
        database.execute("update api_key set created_by = ? where id = ?", (by, made))
    found = answer(database, "revoke", key["id"], "--descendants", "--reason", "keyCompromise")
    assert (found.pop("revoked_keys"), found.pop("rotated_keys")) == (3, 0)
    assert found == answer(database, "show", key["id"])
    states = {
        each: answer(database, "show", each)["api_key"]["state"]
        for each in (child, grandchild, other)
    }
    assert states == {child: "revoked", grandchild: "revoked", other: "active"}
    again = keys(database, "revoke", key["id"], "--descendants")
    assert_facts(again.stdout, id=key["id"], revoked_keys="0", rotated_keys="0")


def test_keys_that_it_has_a_secret_of_are_counted_and_listed(
    database: Database, tenant: Tenant, key: dict[str, Any]
) -> None:
    other = create(database, tenant)["id"]
    secret = answer(database, "rotate", other, "--grace-period", "3600")["key"]
    database.execute("update rotation set created_by = ?", (key["id"],))
    listed = ("list", "--org", tenant.org_id, "--rotated-by", key["id"])
    assert [each["id"] for each in answer(database, *listed)["api_keys"]] == [other]
    # As if it had been used: over the API it would be.
    database.execute("update rotation set state = 'grace', activated_at = created_at")
    found = keys(database, "revoke", key["id"], "--descendants")
    assert_facts(found.stdout, revoked_keys="1", rotated_keys="1")
    assert f"keys list --rotated-by {key['id']}" in found.stderr
    assert secret not in found.stdout + found.stderr
