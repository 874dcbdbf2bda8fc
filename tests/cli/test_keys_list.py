"""`hookstream-keys keys list`."""

import re
from pathlib import Path

import pytest
from support import Database, Tenant
from support.operator import answer, assert_misspelt, assert_refused, create, keys

from hookstream_keys.contract import spec


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """A database that nothing here changes."""
    return Database(tmp_path_factory.mktemp("list") / "hookstream.db")


@pytest.fixture(scope="module")
def tenant(database: Database) -> Tenant:
    return database.init()


@pytest.fixture(scope="module")
def made(database: Database, tenant: Tenant) -> dict[str, str]:
    """The ids of keys of each state, by their names; that of `init` is before all of them."""
    found = {
        "plain": create(database, tenant, name="plain")["id"],
        "ended": create(database, tenant, "--expires-at", "2001-01-01T00:00:00Z", name="ended")[
            "id"
        ],
        "killed": create(database, tenant, name="killed")["id"],
        "off": create(database, tenant, name="off")["id"],
    }
    answer(database, "revoke", found["killed"])
    database.execute("update api_key set enabled = 0, created_by = 'usr_1' where name = 'off'")
    return found


def names(database: Database, tenant: Tenant, *options: str) -> list[str]:
    page = answer(database, "list", "--org", tenant.org_id, *options)
    return [key["name"] for key in page["api_keys"]]


def test_it_shows_a_line_for_each_key_newest_first(
    database: Database, tenant: Tenant, made: dict[str, str]
) -> None:
    done = keys(database, "list", "--org", tenant.org_id)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:4]] == list(made.values())[::-1]
    prefix = answer(database, "show", made["ended"])["api_key"]["prefix"]
    expiry = "expires 2001-01-01T00:00:00.000Z"
    cells = [made["ended"], prefix, "expired", "ended", "*", expiry, "never used"]
    assert re.split(" {2,}", lines[2]) == cells
    assert re.split(" {2,}", lines[4])[3:] == ["First key", "*", "never expires", "never used"]
    # In columns.
    assert len({line.index("never used") for line in lines}) == 1


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["off", "killed", "ended", "plain", "First key"]),
        (("--state", "active"), ["plain", "First key"]),
        (("--state", "disabled"), ["off"]),
        (("--state", "expired"), ["ended"]),
        (("--state", "revoked"), ["killed"]),
        (("--name", "First key"), ["First key"]),
        (("--name", "first key"), []),
        (("--created-by", "usr_1"), ["off"]),
        (("--limit", "2"), ["off", "killed"]),
    ],
)
def test_it_shows_what_is_asked_for(
    database: Database, tenant: Tenant, options: tuple[str, ...], expected: list[str]
) -> None:
    assert names(database, tenant, *options) == expected


@pytest.mark.usefixtures("made")
def test_of_another_environment_or_organization_it_shows_nothing(
    database: Database, tenant: Tenant
) -> None:
    assert len(names(database, tenant, "--env", tenant.env_id)) == 5
    assert names(database, tenant, "--env", database.add_environment(tenant.org_id)) == []
    done = keys(database, "list", "--org", database.add_organization())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "There are none.\n")


@pytest.mark.usefixtures("made")
def test_it_says_how_to_go_on(database: Database, tenant: Tenant) -> None:
    options = ["--limit", "3"]
    first = keys(database, "list", "--org", tenant.org_id, *options)
    assert first.returncode == 0
    assert first.stdout.count("\n") == 3
    said = first.stderr.split()
    assert said[-2] == "--cursor"
    last = keys(database, "list", "--org", tenant.org_id, *options, *said[-2:])
    assert (last.returncode, last.stderr) == (0, "")
    assert last.stdout.count("\n") == 2
    whole = keys(database, "list", "--org", tenant.org_id).stdout.splitlines()
    shown = [*first.stdout.splitlines(), *last.stdout.splitlines()]
    assert [line.split()[0] for line in shown] == [line.split()[0] for line in whole]


@pytest.mark.usefixtures("made")
def test_it_keeps_to_the_document(database: Database, tenant: Tenant) -> None:
    for option, value, says in (
        ("--org", "org_0", "Organization not found"),
        ("--org", "no id", "--org: "),
        ("--env", "env_0", "Environment not found"),
        ("--env", "", "--env: "),
        ("--state", "dead", "--state: "),
        ("--name", "", "--name: "),
        ("--created-by", "a b", "--created-by: "),
        ("--limit", "0", "--limit: "),
        ("--limit", "101", "--limit: "),
        ("--limit", "1_0", "--limit: "),
        (
            "--cursor",
            "nonsense",
            "--cursor: value is not a cursor that a page of ",
        ),
    ):
        options = {"--org": tenant.org_id, option: value}
        arguments = [word for pair in options.items() for word in pair]
        assert_refused(database, "list", *arguments, says=says)


@pytest.mark.usefixtures("tenant")
def test_the_organization_is_required(database: Database) -> None:
    assert_misspelt(database, "list", says="--org")


def test_the_help_names_the_states_of_the_document(database: Database) -> None:
    states = spec.document()["components"]["schemas"]["KeyState"]["enum"]
    said = " ".join(keys(database, "list", "--help").stdout.split())
    assert f"{', '.join(states[:-1])} or {states[-1]}" in said


def test_a_name_cannot_change_the_terminal(tmp_path: Path) -> None:
    database = Database(tmp_path / "hookstream.db")
    tenant = database.init()
    # The API rejects such a name; a process with access to the file can write it.
    database.execute("update api_key set name = ?", ("\x1b[2Ja\nb\N{RIGHT-TO-LEFT OVERRIDE}",))
    done = keys(database, "list", "--org", tenant.org_id)
    assert "  \\x1b[2Ja\\nb\\u202e  " in done.stdout
    assert done.stdout.count("\n") == 1
