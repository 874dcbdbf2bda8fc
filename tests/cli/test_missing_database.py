"""A database that is not there, or is empty: which file was looked for, and what says where."""

import pytest
from support import Database, Tenant
from support.backups import assert_refused, backup, command, init, lose

NAMED = "says where it is"

COMMANDS = [
    ("keys", "create", "--name", "n", "--org", "org_0", "--env", "env_0"),
    ("keys", "list", "--org", "org_0"),
    ("keys", "show", "ak_0"),
    ("keys", "verify"),
    ("keys", "rotate", "ak_0", "--grace-period", "0"),
    ("keys", "revoke", "ak_0"),
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


def test_restore_names_the_database_that_it_makes(database: Database, tenant: Tenant) -> None:
    path = backup(database)
    lose(database)
    done = command(database, "restore", str(path), "--dry-run")
    assert done.returncode == 0
    assert done.stderr.startswith(f"WARNING: there was no database {database.path} to compare")


def test_restore_onto_an_empty_file_says_to_move_it_away(
    database: Database, tenant: Tenant
) -> None:
    path = backup(database)
    lose(database)
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
    lose(other)
    assert command(other, "restore", str(path)).returncode == 0
