"""Backups as an operator makes them, and the reports of restores.

The commands run in this process: there are many of them, and Python takes longer to start than
a backup to be made. tests/faults/test_backup.py runs them as they are installed.
"""

import io
import json
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import pytest

from hookstream_keys.cli import main
from hookstream_keys.cli.operations import ask
from hookstream_keys.store import open_store
from support import ON_POSTGRESQL, SECRET, Database, Tenant, url_of
from support.postgresql import Session, is_known


def command(
    database: Database, *arguments: str, stdin: str = "", **settings: str
) -> CompletedProcess[str]:
    """Run a command to its end; `settings` are variables beside or in place of the secret."""
    return run_here(*arguments, "--database", url_of(database.path), stdin=stdin, **settings)


def begin_to_seal(database: Database) -> None:
    """Make the tables of a new database in PostgreSQL, and begin the chain of its seals.

    As a server does within a minute.
    """
    store = open_store(url_of(database.path))
    store.migrate()
    assert not store.run(store.seal_chains("~", lambda _: pytest.fail("there is no chain yet")))
    store.close()
    assert database.execute("select org_id, seq from audit_head") == [("", 0)]


def run_here(*arguments: str, stdin: str = "", **settings: str) -> CompletedProcess[str]:
    """Run a command, in this process, to its end."""
    given = ["hookstream-keys", *arguments]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        mock.patch.object(sys, "argv", given),
        mock.patch.object(sys, "stdin", io.StringIO(stdin)),
        mock.patch.dict("os.environ", {"BETTER_AUTH_SECRET": SECRET} | settings),
    ):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return CompletedProcess(given, code, out.getvalue(), err.getvalue())


def answer(database: Database, *arguments: str) -> dict[str, Any]:
    """What a program is answered."""
    done = command(database, *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def init(database: Database) -> Tenant:
    """Make the database and its first tenant."""
    facts = answer(database, "init")
    del facts["key_prefix"]
    return Tenant(**facts)


def create(database: Database, tenant: Tenant, *options: str) -> dict[str, Any]:
    """Issue a key in the tenant's environment."""
    where = ("--name", "n", "--org", tenant.org_id, "--env", tenant.env_id)
    return answer(database, "keys", "create", *where, *options)


def change(database: Database, key_id: str, **body: Any) -> None:
    """Change a key as an operator does, with an event in the log."""
    store = open_store(url_of(database.path))
    ask(store, "updateApiKey", body, id=key_id)
    store.close()


def backup(database: Database, name: str = "backup.db", *, explained: bool = True) -> Path:
    """Make a backup beside the database; its report says whether the log explains the contents."""
    path = database.path.with_name(name)
    done = command(database, "backup", str(path))
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("" if explained else "WARNING: the database is not as its audit")
    assert (done.stderr == "") is explained, done.stderr
    return path


def restore(
    database: Database, path: Path, *options: str, explained: bool = True
) -> dict[str, Any]:
    """Restore a backup, and check that the audit log verifies afterwards.

    Where every change has an event, the log must explain the state, too.
    """
    done = command(database, "restore", str(path), "--json", *options)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    if "--dry-run" not in options:
        checked = verified(database, "--state", "--since-head", found["head"])
        assert checked["ok"] is explained, checked
        assert "seq" not in checked, checked
    return found


def verified(database: Database, *options: str) -> dict[str, Any]:
    """What `audit verify` says."""
    done = command(database, "audit", "verify", "--json", *options)
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def assert_refused(
    database: Database, name: str, path: Path, says: str, *options: str, **settings: str
) -> None:
    """Run a command that must fail with one line, and change and leave nothing."""
    before = _content(database)
    files = _files(database)
    done = command(database, name, str(path), *options, **settings)
    assert (done.returncode, done.stdout) == (1, ""), done.stdout
    assert done.stderr.startswith("hookstream-keys: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert _content(database) == before
    assert _files(database) == files


def _content(database: Database) -> str | None:
    """Everything in the database; None where there is none."""
    return database.dump() if database.has_tables else None


def _files(database: Database) -> set[str]:
    """What is beside the database, but for what SQLite keeps of one while a connection is open.

    The commands are of this process, and what they leave open is closed at some time later.
    """
    names = {file.name for file in database.path.parent.iterdir()}
    return names - {f"{name}{end}" for name in names for end in ("-wal", "-shm")}


def code(database: Database, secret: str) -> str:
    """What verification says of a key."""
    done = command(database, "keys", "verify", "--json", stdin=secret)
    found: str = json.loads(done.stdout)["code"]
    return found


#: What SQLite's words are on PostgreSQL. A superuser can have references off, as for a restore of a
#: dump: triggers look after them.
_IN_POSTGRESQL = {
    "randomblob(32)": "decode(md5(random()::text) || md5(random()::text), 'hex')",
    "char(27)": "chr(27)",
    "pragma foreign_keys = off": "set session_replication_role = replica",
    "pragma foreign_keys = on": "set session_replication_role = origin",
}


def _in_postgresql(statement: str) -> str:
    """The statement in PostgreSQL's words; nothing, where that has nothing of the kind."""
    # Its audit log has no triggers, and its checks always hold.
    if statement.startswith(("drop trigger ", "pragma ignore_check_constraints")):
        return ""
    for words, others in _IN_POSTGRESQL.items():
        statement = statement.replace(words, others)
    return statement


def edit(path: Path, *statements: str) -> None:
    """Change a database, or a backup, without the store."""
    with editing(path) as execute:
        for statement in statements:
            execute(statement)


@contextmanager
def editing(path: Path) -> Iterator[Callable[..., Iterable[tuple[Any, ...]]]]:
    """What executes statements with their values, all of them on one connection."""
    if not (ON_POSTGRESQL and is_known(path)):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            yield connection.execute
        return

    def execute(statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        words = _in_postgresql(statement)
        return session.execute(words, values) if words else []

    with closing(Session(url_of(path))) as session:
        yield execute


def query_log(
    database: Database, sql: str, parameters: tuple[Any, ...] = ()
) -> list[tuple[Any, ...]]:
    """The rows of a query of the audit log as one chain, as files and archives have it.

    PostgreSQL has a chain for each organization.
    """
    if not ON_POSTGRESQL:
        return database.execute(sql, parameters)
    with TemporaryDirectory() as folder:
        path = Path(folder, "copy")
        copy(database, path)
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(sql, parameters).fetchall()


def time_of(database: Database, seq: int) -> str:
    """When a row of the log was written; its own moment, whatever the others'."""
    ((text,),) = query_log(database, "select created_at from audit_log where seq = ?", (seq,))
    return str(text)


def copy(database: Database, path: Path) -> None:
    """Copy a database into a file of SQLite, by other means than a backup: all rows, no seal."""
    if not ON_POSTGRESQL:
        edit(database.path, f"vacuum into '{path}'")
        return
    # Here, since the driver is installed for the tests on this engine only.
    from hookstream_keys.store.postgresql.session import SNAPSHOT, session
    from hookstream_keys.store.postgresql.transfer import into_file

    with session(url_of(database.path)) as reader:
        reader.execute(SNAPSHOT)
        into_file.write(reader, path)
