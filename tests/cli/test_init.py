"""`hookstream-keys init`."""

import json
import re
import sqlite3
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import ON_POSTGRESQL, Database, run
from support.backups import answer, command

FACTS = ["org_id", "env_id", "user_id", "email", "password", "key", "key_prefix"]


def test_it_makes_an_owner_an_environment_and_a_key_and_shows_them_once(
    database: Database,
) -> None:
    answer = run(
        "init", "--org", "Acme", "--env", "Live", "--email", "ada@example.com", "--json",
        database=database.path,
    )  # fmt: skip
    assert (answer.returncode, answer.stderr) == (0, "")
    facts = json.loads(answer.stdout)
    assert list(facts) == FACTS
    assert facts["email"] == "ada@example.com"
    assert re.fullmatch(r"hs_live_[0-9a-f]{64}", facts["key"])
    assert facts["key"].startswith(facts["key_prefix"])
    assert database.execute("select name, slug from organization") == [("Acme", "acme")]
    assert database.execute("select name, mode from environment") == [("Live", "live")]
    assert database.execute('select role, "userId" from member') == [("owner", facts["user_id"])]
    actions = [row[0] for row in database.execute("select action from audit_log order by seq")]
    assert actions == ["organization.created", "environment.created", "api_key.created"]
    dump = database.dump()
    assert facts["key"] not in dump
    assert facts["password"] not in dump


def test_the_text_output_has_the_same_facts(database: Database) -> None:
    answer = run("init", database=database.path)
    for name in FACTS:
        assert re.search(rf"^{name} +\S", answer.stdout, re.MULTILINE), name


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--email", "a!b@example.com"),
        ("--email", "ada@x.y"),
        ("--email", "jürgen@example.com"),
        ("--org", "a\nb"),
        ("--org", "x" * 101),
        ("--env", ""),
    ],
)
def test_options_that_the_api_would_reject_are_refused(
    database: Database, option: str, value: str
) -> None:
    answer = run("init", option, value, database=database.path)
    assert answer.returncode == 2
    assert f"invalid value for '{option}': is not " in answer.stderr
    assert not database.path.exists()


def test_run_again_it_changes_nothing_and_says_so(database: Database) -> None:
    database.run_init()
    before = database.dump()
    answer = run("init", database=database.path)
    assert answer.returncode == 0
    assert "nothing was changed" in answer.stdout
    assert "hs_" not in answer.stdout
    assert database.dump() == before
    again = json.loads(run("init", "--json", database=database.path).stdout)
    assert again["message"] in answer.stdout


def test_run_again_it_names_the_users(database: Database) -> None:
    tenant = database.init()
    named = [{"id": tenant.user_id, "email": tenant.email}]
    assert answer(database, "init")["users"] == named
    for _ in range(19):
        database.add_user()
    assert len(answer(database, "init")["users"]) == 20
    assert "and more" not in command(database, "init").stdout
    added = database.add_user()
    lines = command(database, "init").stdout.splitlines()
    assert lines[1] == f"  {added}@example.com"
    assert lines[21:] == [
        "  and more: hookstream-keys users list",
        "For another password: hookstream-keys users set-password EMAIL",
    ]


@pytest.mark.on_sqlite(reason="PostgreSQL's database is no file")
def test_what_it_makes_is_for_the_owner_only(database: Database, tmp_path: Path) -> None:
    assert run("init", database=database.path, BETTER_AUTH_SECRET="").returncode == 0
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"hookstream.db": 0o600, "hookstream.db.secret": 0o600}
    secret = (tmp_path / "hookstream.db.secret").read_text(encoding="ascii").strip()
    assert len(secret) >= 32


def test_concurrent_inits_create_one_tenant(database: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: run("init", "--json", database=database.path), range(4)))
    assert [answer.returncode for answer in answers] == [0] * 4
    made = [json.loads(answer.stdout) for answer in answers if "key" in json.loads(answer.stdout)]
    assert len(made) == 1
    assert database.count("api_key") == 1


def one_line(answer: subprocess.CompletedProcess[str]) -> str:
    assert answer.returncode != 0
    assert answer.stdout == ""
    assert answer.stderr.count("\n") == 1, answer.stderr
    return answer.stderr


@pytest.mark.parametrize("command", [("init",), ("serve", "--init", "--port", "0")])
class TestADatabaseThatCannotBeUsed:
    @pytest.mark.on_sqlite(reason="PostgreSQL's database is no file")
    def test_is_no_database(self, command: tuple[str, ...], database: Database) -> None:
        database.path.touch(0o600)
        database.path.write_text("This is a text, and longer than a header of SQLite is.\n" * 9)
        assert "not a database" in one_line(run(*command, database=database.path))

    @pytest.mark.on_sqlite(reason="PostgreSQL's database is no file")
    def test_is_a_folder(self, command: tuple[str, ...], database: Database) -> None:
        database.path.mkdir()
        assert "database" in one_line(run(*command, database=database.path))

    def test_is_in_a_folder_that_is_missing(
        self, command: tuple[str, ...], database: Database
    ) -> None:
        url = f"sqlite:///{database.path.parent}/missing/x.db"
        answer = run(*command, "--database", url, database=database.path)
        assert "missing/x.db" in one_line(answer)

    def test_is_newer_than_the_code(self, command: tuple[str, ...], database: Database) -> None:
        database.run_init()
        database.execute(
            "insert into hookstream_migration (name) values ('m9999_from_the_future')"
            if ON_POSTGRESQL
            else "insert into _sqlite_migrations (migration_set, name, applied_at)"
            " values ('hookstream-keys', 'm9999_from_the_future', '')"
        )
        before = database.dump()
        assert "newer version" in one_line(run(*command, database=database.path))
        assert database.dump() == before

    def test_is_of_an_engine_that_is_not_served(
        self, command: tuple[str, ...], database: Database
    ) -> None:
        answer = run(*command, "--database", "mysql://x", database=database.path)
        assert "sqlite:///" in one_line(answer)

    @pytest.mark.parametrize(
        "url",
        [
            "sqlite:///hookstream.db?mode=ro",
            "sqlite:////hookstream.db#a",
            "sqlite:///:memory:",
            "sqlite:///file:hookstream.db",
        ],
    )
    def test_is_no_file(self, command: tuple[str, ...], database: Database, url: str) -> None:
        answer = run(*command, "--database", url, database=database.path)
        assert "names no file" in one_line(answer)
        assert list(database.path.parent.iterdir()) == []

    def test_an_invalid_setting(self, command: tuple[str, ...], database: Database) -> None:
        answer = run(*command, database=database.path, HOOKSTREAM_MAX_BODY_BYTES="much")
        assert "HOOKSTREAM_MAX_BODY_BYTES" in one_line(answer)

    @pytest.mark.on_sqlite(reason="on PostgreSQL the secret has to be set")
    def test_a_secret_file_that_was_cut_short(
        self, command: tuple[str, ...], database: Database
    ) -> None:
        database.path.with_name("hookstream.db.secret").write_text("short")
        answer = run(*command, database=database.path, BETTER_AUTH_SECRET="")
        assert "secret file" in one_line(answer)


@pytest.mark.on_sqlite(reason="of the SQLite in Python")
@pytest.mark.parametrize("words", [("init",), ("serve", "--init", "--port", "0")])
def test_an_old_sqlite_is_one_line_and_nothing_is_made(
    database: Database, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.36.0")
    error = one_line(command(database, *words))
    assert error.startswith("hookstream-keys: Python here uses SQLite 3.36.0; 3.37 or later")
    assert list(database.path.parent.iterdir()) == []


@pytest.mark.on_sqlite(reason="PostgreSQL began with the tables of the first 21 migrations")
def test_an_old_database_is_upgraded(database: Database) -> None:
    database.run_init()
    database.execute("drop table audit_log")
    database.execute("drop table api_key")
    database.execute("drop table environment")
    database.execute("delete from _sqlite_migrations where name = 'm0002_keys_and_audit_log'")
    assert run("init", database=database.path).returncode == 0
    assert database.count("audit_log") == 0


def test_an_invalid_address_is_refused(database: Database) -> None:
    answer = run("init", "--email", "no-address", database=database.path)
    assert answer.returncode == 2
    assert "--email" in answer.stderr
    assert not database.path.exists()


def test_the_account_row_is_as_better_auth_reads_it(database: Database) -> None:
    tenant = database.run_init()
    rows = database.execute(
        'select "accountId", "providerId", length(password) from "account" where "userId" = ?',
        (tenant.user_id,),
    )
    assert rows == [(tenant.user_id, "credential", 32 + 1 + 128)]
