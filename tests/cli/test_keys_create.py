"""`hookstream-keys keys create`."""

from pathlib import Path

import pytest
from support import Database, Tenant, run, url_of
from support.operator import (
    answer,
    assert_facts,
    assert_misspelt,
    assert_refused,
    audit_rows,
    create,
    keys,
)


def test_it_answers_as_the_api_does(database: Database, tenant: Tenant) -> None:
    created = create(database, tenant, "--scopes", "events:read,events:write")
    assert list(created) == ["id", "name", "key", "key_prefix", "scopes", "created_at"]
    assert created["scopes"] == "events:read events:write"
    assert created["key"] not in database.dump()
    assert audit_rows(database, created["id"]) == [("api_key.created", None, None, None)]


def test_the_text_output_shows_the_key_once(database: Database, tenant: Tenant) -> None:
    where = ("--org", tenant.org_id, "--env", tenant.env_id)
    done = keys(database, "create", "--name", "By hand", *where)
    assert (done.returncode, done.stderr) == (0, "")
    assert_facts(done.stdout, name="By hand", scopes="*")
    secret = done.stdout.splitlines()[2].split()[1]
    assert run("keys", "verify", database=database.path, stdin=secret).returncode == 0
    assert secret not in database.dump()


def test_the_key_has_the_rules_that_it_was_given(database: Database, tenant: Tenant) -> None:
    created = create(
        database,
        tenant,
        *("--expires-at", "2999-01-01T01:00:00.000000+01:00"),
        *("--allowed-ip", "203.0.113.7/24", "--allowed-ip", "2001:DB8::/32"),
        *(
            "--metadata",
            "plan=pro",
            "--metadata",
            "=ø",
            "--metadata",
            "formula=a=b",
            *("--metadata", "empty="),
        ),
        *("--external-id", "customer 7"),
        *("--rate-limit", "100/60"),
    )
    key = answer(database, "show", created["id"])["api_key"]
    assert key["expires_at"] == "2999-01-01T00:00:00.000Z"
    assert key["allowed_ips"] == ["203.0.113.0/24", "2001:db8::/32"]
    assert key["metadata"] == {"plan": "pro", "": "ø", "formula": "a=b", "empty": ""}
    assert key["external_id"] == "customer 7"
    assert key["rate_limit"] == {"requests": 100, "window_seconds": 60}


def test_without_them_it_has_none(database: Database, tenant: Tenant) -> None:
    key = answer(database, "show", create(database, tenant)["id"])["api_key"]
    rules = ("expires_at", "allowed_ips", "metadata", "external_id", "rate_limit")
    assert [key[rule] for rule in rules] == [None, [], {}, None, None]
    assert key["created_by"] is None


def test_it_keeps_to_the_document(database: Database, tenant: Tenant) -> None:
    for option, value, says in (
        ("--name", "a\nb", "--name: "),
        ("--name", "", "--name: "),
        ("--scopes", "everything", "--scopes: "),
        ("--env", "env_0", "Environment not found"),
        ("--org", "org_0", "Environment not found"),
        ("--org", "no id", "--org: "),
        ("--expires-at", "tomorrow", "--expires-at: "),
        ("--expires-at", "2030-01-01", "--expires-at: value is not an RFC 3339 time "),
        ("--allowed-ip", "203.0.113.256", "--allowed-ip (0): value is not an IP address or "),
        ("--metadata", f"long={'x' * 501}", "--metadata (long): "),
        ("--metadata", f"two\nlines={'x' * 501}", "--metadata (two\\nlines): "),
        ("--external-id", "", "--external-id: "),
        ("--rate-limit", "100", "--rate-limit (window_seconds): "),
        ("--rate-limit", "", "--rate-limit (requests): "),
        ("--rate-limit", "1_0/60", "--rate-limit (requests): "),
        ("--rate-limit", "0/60", "--rate-limit (requests): "),
        ("--rate-limit", "1/2/3", "--rate-limit (window_seconds): "),
    ):
        options = {"--name": "n", "--org": tenant.org_id, "--env": tenant.env_id, option: value}
        arguments = [word for pair in options.items() for word in pair]
        assert_refused(database, "create", *arguments, says=says)


def test_every_mistake_is_named_at_once(database: Database, tenant: Tenant) -> None:
    where = ("--org", tenant.org_id, "--env", tenant.env_id)
    wrong = ("--name", "", "--allowed-ip", "::1", "--allowed-ip", "here")
    for says in ("--name: ", "; --allowed-ip (1): "):
        assert_refused(database, "create", *where, *wrong, says=says)


@pytest.mark.parametrize("pairs", [("plan",), ("",), ("plan=a", "plan=b")])
def test_metadata_that_is_no_pair_is_refused(
    database: Database, tenant: Tenant, pairs: tuple[str, ...]
) -> None:
    where = ("--name", "n", "--org", tenant.org_id, "--env", tenant.env_id)
    options = [word for pair in pairs for word in ("--metadata", pair)]
    assert_misspelt(database, "create", *where, *options, says="--metadata")


def test_a_name_without_letters_for_it_does_not_hide_the_key(
    database: Database, tenant: Tenant
) -> None:
    where = ("--org", tenant.org_id, "--env", tenant.env_id)
    done = run(
        *("keys", "create", "--name", "Snow \N{SNOWMAN}", *where),
        database=database.path,
        PYTHONIOENCODING="latin-1",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert_facts(done.stdout, name="Snow \\u2603")
    assert "hs_live_" in done.stdout


def test_it_makes_no_database(database: Database) -> None:
    done = keys(database, "create", "--name", "n", "--org", "o", "--env", "e")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert not database.path.exists()


def test_it_says_which_database_it_is_about(database: Database, tmp_path: Path) -> None:
    tenant = database.init()
    where = ("--org", tenant.org_id, "--env", tenant.env_id)
    elsewhere = run(
        *("keys", "create", "--name", "n", *where, "--database", url_of(database.path)),
        database=tmp_path / "other.db",
    )
    assert elsewhere.returncode == 0
    assert database.count("api_key") == 2
