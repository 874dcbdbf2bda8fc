"""A database that is not there, or is empty: which file was looked for, and what says where."""

import subprocess

import pytest
from support import Database, Tenant
from support.backups import assert_refused, backup, command, init

pytestmark = pytest.mark.on_sqlite(reason="PostgreSQL's database is no file")

NAMED = "says where it is"

COMMANDS = [
    ("keys", "create", "--name", "n", "--org", "org_0", "--env", "env_0"),
    ("keys", "list", "--org", "org_0"),
    ("keys", "show", "ak_0"),
    ("keys", "verify"),
    ("keys", "rotate", "ak_0", "--grace-period", "0"),
    ("keys", "revoke", "ak_0"),
    ("users", "list"),
    ("users", "create", "--email", "a@example.com", "--name", "A"),
    ("users", "set-password", "a@example.com"),
    ("users", "end-sessions", "a@example.com"),
    ("orgs", "list"),
    ("orgs", "add-member", "org_0", "--email", "a@example.com"),
    ("envs", "list", "--org", "org_0"),
    ("audit", "verify"),
    ("audit", "accept"),
    ("audit", "prune", "--before", "2020-01-01", "--no-archive"),
    ("backup", "b.db"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:2]))
@pytest.mark.parametrize("secret", ["", "x" * 32])
def test_a_command_names_the_file_and_what_decides_where_it_is(
    database: Database, words: tuple[str, ...], secret: str
) -> None:
    done = command(database, *words, stdin="hs_live_0", BETTER_AUTH_SECRET=secret)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"hookstream-keys: there is no database {database.path}: --database, or "
        "HOOKSTREAM_DATABASE, says where it is; hookstream-keys init makes a new one, and "
        "hookstream-keys restore makes one of a backup\n"
    )
    assert list(database.path.parent.iterdir()) == []


@pytest.mark.parametrize("words", [("init",), ("serve", "--port", "0"), *COMMANDS], ids=str)
@pytest.mark.parametrize(
    ("variable", "text", "meant"),
    [
        ("HOOKSTREAM_DATABSE", "sqlite:///x.db", "HOOKSTREAM_DATABASE"),
        ("HOOKSTREAM_SIGNUP", "open", "HOOKSTREAM_SIGN_UP"),
    ],
)
def test_a_command_refuses_a_variable_that_is_no_setting(
    database: Database, words: tuple[str, ...], variable: str, text: str, meant: str
) -> None:
    done = command(database, *words, stdin="hs_live_0", **{variable: text})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (f"hookstream-keys: {variable} is not a setting: did you mean {meant}?\n")
    assert list(database.path.parent.iterdir()) == []


@pytest.mark.parametrize("words", [("init",), ("serve", "--port", "0"), *COMMANDS], ids=str)
def test_a_command_refuses_a_database_that_others_can_read(
    database: Database, tenant: Tenant, words: tuple[str, ...]
) -> None:
    wal = database.path.with_name("hookstream.db-wal")
    wal.touch(0o600)
    wal.chmod(0o644)
    database.path.chmod(0o644)
    before = database.path.read_bytes()
    done = command(database, *words, stdin="hs_live_0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"hookstream-keys: every user of this machine can use {database.path}, {wal}, which has "
        f"session tokens; make it private: chmod o-rwx {database.path} {wal}\n"
    )
    assert database.path.read_bytes() == before
    # What it says to do does it.
    subprocess.run(done.stderr.partition("make it private: ")[2].split(), check=True)
    listed = ("keys", "list", "--org", tenant.org_id)
    assert command(database, *listed).returncode == 0


def test_a_group_may_share_the_database(database: Database, tenant: Tenant) -> None:
    database.path.chmod(0o660)
    assert command(database, "keys", "list", "--org", tenant.org_id).returncode == 0


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_secret_that_others_can_read_is_refused(database: Database, mode: int) -> None:
    own = {"BETTER_AUTH_SECRET": ""}
    assert command(database, "init", **own).returncode == 0
    secret = database.path.with_name("hookstream.db.secret")
    secret.chmod(mode)
    for words in ("init",), ("serve", "--port", "0"), ("backup", "b.db"):
        done = command(database, *words, **own)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1
        assert f"make it private: chmod 600 {secret} (" in done.stderr
    # One that is not read does no harm.
    assert command(database, "init").returncode == 0


def test_restore_names_the_database_that_it_makes(database: Database, tenant: Tenant) -> None:
    path = backup(database)
    database.lose()
    done = command(database, "restore", str(path), "--dry-run")
    assert done.returncode == 0
    assert done.stderr.startswith(f"WARNING: there was no database {database.path} to compare")


def test_restore_onto_an_empty_file_says_to_move_it_away(
    database: Database, tenant: Tenant
) -> None:
    path = backup(database)
    database.lose()
    database.path.touch()
    done = command(database, "restore", str(path))
    assert (done.returncode, done.stdout) == (1, "")
    says = f"the database {database.path} is an empty file: move it away, or let --database or"
    assert says in done.stderr
    assert database.path.read_bytes() == b""
    # What it says to do does it.
    database.path.unlink()
    assert command(database, "restore", str(path)).returncode == 0


def test_restore_onto_a_database_that_is_new_says_so(database: Database, tenant: Tenant) -> None:
    path = backup(database)
    other = Database(database.path.with_name("other.db"))
    init(other)
    says = f"the backup is not one of this database, {other.path}, whose audit log does not"
    assert_refused(other, "restore", path, says)
    for table in ("audit_log", "audit_head"):
        other.execute("drop trigger if exists audit_log_no_delete")
        other.execute(f"delete from {table}")
    says = f"the database {other.path} is new, nothing was ever recorded in it"
    assert_refused(other, "restore", path, says)
    assert_refused(other, "restore", path, "with other.db-wal and other.db-shm but not other.db.s")
    other.lose()
    assert command(other, "restore", str(path)).returncode == 0
