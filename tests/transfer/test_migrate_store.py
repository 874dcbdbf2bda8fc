"""`hookstream-keys migrate-store`: all data moves, and has one home at every moment."""

import json
import os
import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support import Database, serving, until, url_of
from support.backups import begin_to_seal, command, edit, run_here
from support.postgresql import running_cluster, running_standby, shared_cluster

from hookstream_keys.cli.operations import operator_context
from hookstream_keys.handlers import audit
from hookstream_keys.store import AuditEvent, MoveRefused, StoreUnavailable, open_store
from hookstream_keys.store.postgresql import migrations, moves
from hookstream_keys.store.postgresql.transfer import into_postgresql, migrate_store, tables
from hookstream_keys.store.sqlite import engine
from hookstream_keys.store.sqlite.engine import SqliteEngine

Rows = dict[str, list[tuple[Any, ...]]]


def rows_of(file: Path) -> Rows:
    """The rows of every table that is moved, with times in one form."""
    with closing(sqlite3.connect(file)) as opened:
        return {
            name: sorted(map(_in_one_form, opened.execute(f'select * from "{name}"')), key=repr)
            for name in tables.TABLES
        }


def _in_one_form(row: Sequence[Any]) -> tuple[Any, ...]:
    # As Prisma's adapter writes it, and as this project does.
    forms = {32472144000123: "2999-01-01T00:00:00.123Z", 1767225600000: "2026-01-01T00:00:00.000Z"}
    return tuple(forms.get(value, value) for value in row)


def log_of(file: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as opened:
        return opened.execute("select * from audit_log order by seq").fetchall()


def moved(source: str, target: str, *options: str) -> dict[str, Any]:
    done = run_here("migrate-store", source, target, "--json", *options)
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def refused(source: str, target: str, *options: str) -> str:
    done = run_here("migrate-store", source, target, *options)
    assert (done.returncode, done.stdout) == (1, ""), done.stdout
    return done.stderr


def verified(url: str, *options: str) -> dict[str, Any]:
    done = run_here("audit", "verify", "--json", "--database", url, *options)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def move(file: Path, url: str, progress: Callable[[str, int, int], None], **options: bool) -> None:
    """The same as the command does, and tells its progress."""
    store = open_store(f"sqlite:///{file}")
    context = operator_context(store)
    store.close()
    migrate_store.to_postgresql(
        file, url, lambda told: audit.store_moved(context, told), progress=progress, **options
    )


def test_all_data_moves_and_comes_back(file: Path, url: str) -> None:
    before, log = rows_of(file), log_of(file)
    facts = moved(f"sqlite:///{file}", url)
    assert facts.pop("audit_log") == len(log)
    assert facts.pop("head") == log[-1][-1]
    assert facts == {name: len(rows) for name, rows in before.items()}
    # The events are as they were, and a head that was kept is still proven.
    columns = "seq, id, hash"
    found = shared_cluster().execute(url, f"select {columns} from audit_log order by seq")
    assert found[: len(log)] == [(row[0], row[1], row[-1]) for row in log]
    assert verified(url, "--state", "--since-head", log[1][-1])["ok"]
    back = file.with_name("back.db")
    moved(url, f"sqlite:///{back}")
    assert rows_of(back) == before
    assert [row[:-1] for row in log_of(back)[: len(log)]] == [row[:-1] for row in log]
    actions = [row[6] for row in log_of(back)[len(log) :]]
    assert actions == ["database.moved", "database.moved"]
    assert verified(f"sqlite:///{back}", "--state", "--since-head", log[-1][-1])["ok"]
    assert back.stat().st_mode & 0o777 == 0o600


def test_what_was_moved_away_is_not_used_any_more(file: Path, url: str) -> None:
    store = open_store(f"sqlite:///{file}")
    assert store.run(store.has_data())
    moved(f"sqlite:///{file}", url)
    assert sorted(path.name for path in file.parent.glob("hookstream.db.moved*"))[0] == (
        "hookstream.db.moved"
    )
    # A server that is still running on it.
    with pytest.raises(StoreUnavailable, match="deleted or moved away"):
        store.run(store.check())
    store.close()
    # Another one in its place would know none of the keys.
    for words in (["init"], ["orgs", "list"], ["serve", "--init", "--port", "0"]):
        done = run_here(*words, "--database", f"sqlite:///{file}")
        assert done.returncode == 1
        assert "was moved to PostgreSQL" in done.stderr
        assert not file.exists()
    moved(url, f"sqlite:///{file}")
    done = run_here("orgs", "list", "--database", url)
    assert done.returncode == 1
    assert "the data was moved to another database" in done.stderr


def test_a_node_on_what_was_moved_away_answers_503(database: Database) -> None:
    tenant = database.init()
    with serving(database) as server:
        create = {"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id}
        headers = {"X-API-Key": tenant.key}
        answer = server.request("POST", "/auth/api-keys", json=create, headers=headers)
        assert answer.status_code == 201
        moved(url_of(database.path), f"sqlite:///{database.path}")
        answer = server.request("POST", "/auth/api-keys", json=create, headers=headers)
        assert answer.status_code == 503
        # Reads end with the fence: no heartbeat is confirmed any more.
        end = time.monotonic() + 15
        while server.request("GET", "/auth/whoami", headers=headers).status_code == 200:
            assert time.monotonic() < end
            time.sleep(0.2)
        assert server.request("GET", "/auth/whoami", headers=headers).status_code == 503
    assert len(rows_of(database.path)["api_key"]) == 2


def test_wherever_it_dies_it_continues(
    file: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(into_postgresql, "BATCH", 2)
    before, log = rows_of(file), log_of(file)
    steps: list[tuple[str, int]] = []
    deaths = 0
    while True:
        child = os.fork()
        if child == 0:
            left = deaths + 1

            def die(*_: Any) -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    os._exit(9)

            try:
                move(file, url, die)
            finally:
                os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            break
        deaths += 7
        # Its servers go on, and none starts on what is not complete.
        assert file.exists()
        done = run_here("orgs", "list", "--database", url)
        assert done.returncode == 1
        steps.append((done.stderr, deaths))
    assert deaths > 20
    assert any("has not finished: run it again" in said for said, _ in steps)
    assert not file.exists()
    assert verified(url, "--state")["ok"]
    back = file.with_name("back.db")
    moved(url, f"sqlite:///{back}")
    assert rows_of(back) == before
    assert len(log_of(back)) == len(log) + 2


def test_it_begins_anew_where_the_file_was_changed_meanwhile(file: Path, url: str) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(task: str, *_: int) -> None:
        if task == "verify api_key":
            raise Interrupted

    with pytest.raises(Interrupted):
        move(file, url, interrupt)
    store = open_store(f"sqlite:///{file}")
    context = operator_context(store)
    store.run(store.add_events([audit.store_moved(context, {})]))
    store.close()
    assert "--restart copies all of it again" in refused(f"sqlite:///{file}", url)
    facts = moved(f"sqlite:///{file}", url, "--restart")
    assert facts["audit_log"] == len(log_of(file.with_name("hookstream.db.moved")))
    assert verified(url, "--state")["ok"]


def test_a_change_without_an_event_is_found_after_an_interruption(file: Path, url: str) -> None:
    def interrupt(task: str, *_: int) -> None:
        if task == "verify api_key":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(file, url, interrupt)
    edit(file, "update api_key set name = 'another' where name = 'key 1'")
    assert re.search(
        r"the table api_key has \d+ rows .*--restart", refused(f"sqlite:///{file}", url)
    )
    assert file.exists()
    moved(f"sqlite:///{file}", url, "--restart")


@pytest.mark.parametrize("at", ["end", "record", "after"])
def test_the_end_of_a_move_that_was_interrupted_there(
    file: Path, url: str, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    record = migrate_store._record

    def record_and_die(*event: Any) -> None:
        record(*event)
        raise KeyboardInterrupt

    place: dict[str, tuple[Any, str, Any]] = {
        "end": (into_postgresql, "end", _interrupt),
        "record": (migrate_store, "_record", _interrupt),
        "after": (migrate_store, "_record", record_and_die),
    }
    with monkeypatch.context() as patched:
        patched.setattr(*place[at])
        with pytest.raises(KeyboardInterrupt):
            move(file, url, lambda *_: None)
    assert not file.exists()
    assert run_here("orgs", "list", "--database", url).returncode == 1
    done = run_here("migrate-store", f"sqlite:///{file}", url)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "The end of the move that was interrupted is done.\n"
    assert verified(url, "--state")["ok"]
    moves_of = "select count(*) from audit_log where action = 'database.moved'"
    assert shared_cluster().execute(url, moves_of) == [(1,)]
    assert "was moved already" in refused(f"sqlite:///{file}", url)


def test_a_move_that_ended_before_the_file_was_renamed(
    file: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(migrate_store, "_rename", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            move(file, url, lambda *_: None)
    # The file is still the home of the data, and changes.
    edit(file, "insert into verification values ('w', 'me', 'code', '2999-01-01T00:00:00.000Z',"
         " '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z')")  # fmt: skip
    assert moved(f"sqlite:///{file}", url)["verification"] == 2
    assert verified(url, "--state")["ok"]
    indexes = "select count(*) from pg_indexes where schemaname = 'public'"
    new = shared_cluster().new_database()
    store = open_store(new)
    store.migrate()
    store.close()
    assert shared_cluster().execute(url, indexes) == shared_cluster().execute(new, indexes)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_the_end_of_a_move_to_a_file_that_was_interrupted_there(
    file: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved(f"sqlite:///{file}", url)
    back = file.with_name("back.db")
    monkeypatch.setattr(migrate_store, "_UNTIL_FENCED", 0)
    with monkeypatch.context() as patched:
        patched.setattr(migrate_store, "end_to_file", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            migrate_store.to_file(url, back, lambda told: _event(file, told))
    # The database is retired, and the file is not there yet.
    assert run_here("orgs", "list", "--database", url).returncode == 1
    assert not back.exists()
    done = run_here("migrate-store", url, f"sqlite:///{back}")
    assert (done.returncode, done.stderr) == (
        0,
        "The end of the move that was interrupted is done.\n",
    )
    assert verified(f"sqlite:///{back}", "--state")["ok"]
    assert [path.name for path in back.parent.glob(".back*")] == []


def test_a_draft_that_was_just_begun_is_replaced(file: Path, url: str) -> None:
    moved(f"sqlite:///{file}", url)
    back = file.with_name("back.db")
    migrate_store.draft_of(back).touch()
    moved(url, f"sqlite:///{back}")
    assert verified(f"sqlite:///{back}", "--state")["ok"]


def test_a_move_to_a_file_that_was_interrupted_before_begins_anew(
    file: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved(f"sqlite:///{file}", url)
    back = file.with_name("back.db")
    monkeypatch.setattr(migrate_store, "_UNTIL_FENCED", 0)
    with monkeypatch.context() as patched:
        patched.setattr(moves, "retire", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            migrate_store.to_file(url, back, lambda told: _event(file, told))
    assert verified(url, "--state")["ok"]
    moved(url, f"sqlite:///{back}")
    assert verified(f"sqlite:///{back}", "--state")["ok"]


def _event(file: Path, told: Any) -> AuditEvent:
    store = open_store(f"sqlite:///{file}.moved")
    event = audit.store_moved(operator_context(store), told)
    store.close()
    return event


def test_what_is_left_beside_a_file_is_not_part_of_the_new_one(file: Path, url: str) -> None:
    moved(f"sqlite:///{file}", url)
    for end in ("-wal", "-shm", "-journal"):
        left = Path(f"{file}{end}")
        left.write_bytes(b"old")
        assert f"hookstream.db{end} exists" in refused(url, f"sqlite:///{file}")
        left.unlink()
    assert verified(url)["ok"]


def test_a_link_to_a_file_retires_the_file(file: Path, url: str) -> None:
    link = file.with_name("link.db")
    link.symlink_to(file)
    moved(f"sqlite:///{link}", url)
    assert not file.exists()
    assert file.with_name("hookstream.db.moved").exists()


def test_a_database_that_is_filled_from_another_file_is_not_ended(
    file: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    another, other_url = file.with_name("another.db"), shared_cluster().new_database()
    run_here("init", "--database", f"sqlite:///{another}")
    moved(f"sqlite:///{another}", other_url)
    with monkeypatch.context() as patched:
        patched.setattr(migrate_store, "_rename", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            move(file, url, lambda *_: None)
    assert "filled from another file" in refused(f"sqlite:///{another}", url)
    moved(f"sqlite:///{file}", url)


@pytest.mark.parametrize("schema_in_front", [False, True])
def test_tables_of_plugins_move_to_a_file(file: Path, url: str, *, schema_in_front: bool) -> None:
    moved(f"sqlite:///{file}", url)
    shared_cluster().execute(
        url,
        'create table passkey (id uuid primary key, counter numeric, tags text[], "user" text,'
        " at timestamptz, used boolean)",
    )
    shared_cluster().execute(
        url,
        "insert into passkey values ('00000000-0000-0000-0000-000000000001', 1.5, '{a,b}', null,"
        " '2026-01-01T00:00:00.5Z', true)",
    )
    if schema_in_front:
        # By its name it is the first one of the usual search path.
        shared_cluster().execute(url, "create schema postgres")
    back = file.with_name("back.db")
    assert moved(url, f"sqlite:///{back}")["passkey"] == 1
    with closing(sqlite3.connect(back)) as opened:
        assert opened.execute("select * from passkey").fetchall() == [
            ("00000000-0000-0000-0000-000000000001", "1.5", '["a","b"]', None,
             "2026-01-01T00:00:00.500Z", 1)
        ]  # fmt: skip


def test_a_text_that_postgresql_cannot_have(file: Path, url: str) -> None:
    edit(file, "update \"user\" set name = 'a' || char(0)")
    assert "name has a value that PostgreSQL cannot have" in refused(f"sqlite:///{file}", url)


@pytest.mark.parametrize(
    "target",
    [
        "postgresql://u:ge/heim@localhost/x",
        "postgresql://u:geheim@localhost:geheim/x",
        "postgresql://u@localhost/x?password=geheim",
        "postgresql://u@localhost/x?PASSWORD=geheim",
        "postgresql://u@localhost/x?pass%77ord=geheim",
        "postgresql://u@localhost/x?sslpassword=geheim",
    ],
)
def test_no_password_is_an_argument_or_in_an_error(file: Path, target: str) -> None:
    done = run_here("migrate-store", f"sqlite:///{file}", target)
    assert done.returncode == 2
    assert "ge" not in re.sub(r"message|usage|get|give|argument|change", "", done.stderr.lower())
    done = run_here("orgs", "list", HOOKSTREAM_DATABASE=target)
    assert done.returncode == 1
    assert "heim" not in done.stderr
    assert "'ge'" not in done.stderr
    assert "Traceback" not in done.stderr


def test_the_file_is_read_and_not_written_meanwhile(
    file: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.05)
    store = open_store(f"sqlite:///{file}")
    assert isinstance(store, SqliteEngine)
    said = []

    def use(task: str, *_: int) -> None:
        if task == "api_key":
            said.append(store.run(store.has_data()))
            with pytest.raises(StoreUnavailable, match="locked"):
                store.run(store.try_to_write())

    move(file, url, use)
    store.close()
    assert said
    assert all(said)


def test_no_node_uses_a_database_that_is_being_filled(database: Database, file: Path) -> None:
    store = open_store(url_of(database.path))
    store.migrate()
    said: list[int] = []
    with serving(database) as server:
        assert server.request("GET", "/health/ready").status_code == 200

        def use(task: str, *_: int) -> None:
            if task == "api_key":
                with pytest.raises(StoreUnavailable, match="audit_head"):
                    store.run(store.add_events([audit.store_moved(operator_context(store), {})]))
                said.append(server.request("GET", "/health/ready").status_code)

        move(file, url_of(database.path), use)
        assert said
        assert set(said) == {503}
        until(lambda: server.request("GET", "/health/ready").status_code == 200)
    store.close()


def test_from_its_first_table_on_a_new_database_is_being_filled(
    file: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No KeyboardInterrupt: it would end the store's event loop.
    class Interrupted(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    for place in (migrations, moves):
        name = "pending" if place is migrations else "retire"
        with monkeypatch.context() as patched:
            patched.setattr(place, name, interrupt)
            with pytest.raises(Interrupted):
                move(file, url, lambda *_: None)
        done = run_here("orgs", "list", "--database", url)
        assert "has begun to fill this database" in done.stderr
    moved(f"sqlite:///{file}", url)
    assert run_here("orgs", "list", "--database", url).returncode == 0


def test_a_database_on_which_a_server_ran_is_filled(database: Database, file: Path) -> None:
    begin_to_seal(database)
    url = url_of(database.path)
    moved(f"sqlite:///{file}", url)
    assert verified(url, "--state")["ok"]


def test_a_restore_leaves_a_database_that_is_being_filled(
    database: Database, file: Path, url: str, tmp_path: Path
) -> None:
    database.run_init()
    backup = tmp_path / "backup.db"
    assert command(database, "backup", str(backup)).returncode == 0
    told: list[str] = []

    def restore() -> str:
        done = run_here("restore", str(backup), "--database", url)
        assert done.returncode == 1
        return done.stderr

    def interrupt(task: str, *_: int) -> None:
        if task == "indexes":
            told.append(restore())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(file, url, interrupt)
    assert "another hookstream-keys migrate-store or restore fills this database" in told[0]
    assert "migrate-store has begun to fill this database" in restore()
    moved(f"sqlite:///{file}", url)
    assert verified(url, "--state")["ok"]


def test_where_no_standby_confirms_it_is_not_begun(file: Path) -> None:
    with running_cluster() as primary, running_standby(primary) as standby:
        url = primary.new_database()
        standby.stop()
        assert "the database does not confirm a change: a standby" in refused(
            f"sqlite:///{file}", url
        )
    assert file.exists()


@pytest.mark.parametrize("into_one", [True, False])
def test_of_two_at_once_one_is_refused(file: Path, url: str, *, into_one: bool) -> None:
    """The second one is refused, or waits for the file, and finds it moved."""
    other = url if into_one else shared_cluster().new_database()
    message = "restore fills this database" if into_one else "was moved meanwhile by another"
    with ThreadPoolExecutor(1) as pool:
        second: list[Future[None]] = []

        def begin_another(task: str, *_: int) -> None:
            if task == "indexes" and not second:
                second.append(pool.submit(move, file, other, lambda *_: None))
                # Until it waits.
                time.sleep(1)

        move(file, url, begin_another)
        with pytest.raises(MoveRefused, match=message):
            second[0].result()
    assert verified(url, "--state")["ok"]
    another = shared_cluster().new_database()
    store = open_store(another)
    store.migrate()
    store.close()
    count = "select count(*) from pg_constraint union all select count(*) from pg_index"
    assert shared_cluster().execute(url, count) == shared_cluster().execute(another, count)


def test_of_two_to_a_file_at_once_one_is_refused(file: Path, url: str, tmp_path: Path) -> None:
    moved(f"sqlite:///{file}", url)
    back = tmp_path / "back.db"

    def to_file(progress: Callable[[str, int, int], None]) -> None:
        store = open_store(url)
        context = operator_context(store)
        store.close()
        migrate_store.to_file(
            url, back, lambda told: audit.store_moved(context, told), progress=progress
        )

    with ThreadPoolExecutor(1) as pool:
        second: list[Future[None]] = []

        def begin_another(*_: object) -> None:
            if not second:
                second.append(pool.submit(to_file, lambda *_: None))
                time.sleep(1)

        to_file(begin_another)
        with pytest.raises(StoreUnavailable, match="moved to another database meanwhile"):
            second[0].result()
    assert verified(f"sqlite:///{back}", "--state")["ok"]


def test_what_is_left_of_the_file_is_whole(file: Path, url: str) -> None:
    with closing(sqlite3.connect(file)) as opened:
        # Another process has the file open, so what is written stays beside it.
        opened.execute("select * from audit_log").fetchall()
        done = run_here("orgs", "list", "--database", f"sqlite:///{file}")
        assert done.returncode == 0
        before = log_of(file)
    moved(f"sqlite:///{file}", url)
    alone = file.with_name("alone.db")
    alone.write_bytes(Path(f"{file}.moved").read_bytes())
    assert log_of(alone) == before


def test_rows_that_differ_are_found(file: Path, url: str) -> None:
    def change(task: str, *_: int) -> None:
        if task == "verify api_key":
            shared_cluster().execute(url, "update api_key set scopes = 'more' where enabled = 0")

    with pytest.raises(MoveRefused, match="the table api_key has"):
        move(file, url, change)
    assert file.exists()


def test_a_log_that_was_changed_is_not_moved(file: Path, url: str) -> None:
    edit(file, "drop trigger audit_log_no_update", "update audit_log set request_id = 'r'"
         " where seq = 2")  # fmt: skip
    assert "not as it was written, at seq 2" in refused(f"sqlite:///{file}", url)
    assert file.exists()


def test_only_an_empty_database_is_filled(database: Database, file: Path) -> None:
    database.init()
    assert "is not empty: its table" in refused(f"sqlite:///{file}", url_of(database.path))
    assert "exists; give the name of a new file" in refused(
        url_of(database.path), f"sqlite:///{file}"
    )


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("create table apikey (id text)", "has a table apikey, which is not this project's"),
        ('alter table "user" add column banned integer', "has a column banned in the file only"),
    ],
)
def test_plugins_of_better_auth_make_their_tables_first(
    file: Path, url: str, statement: str, says: str
) -> None:
    edit(file, statement)
    assert says in refused(f"sqlite:///{file}", url)
    done = run_here("init", "--database", url)
    assert done.returncode == 0, "nothing was begun"


def test_plugins_tables_and_columns_move(file: Path, url: str) -> None:
    edit(
        file,
        'alter table "user" add column banned integer',
        'alter table "user" add column "banExpires" date',
        'update "user" set banned = 1, "banExpires" = 32472144000123',
        "create table passkey (id text primary key, counter integer, at date)",
        "insert into passkey values ('p', 5, '2026-01-01T00:00:00.000Z')",
    )
    store = open_store(url)
    store.migrate()
    store.close()
    for statement in (
        'alter table "user" add column banned boolean, add column "banExpires" timestamptz',
        "create table passkey (id text primary key, counter integer, at timestamptz)",
    ):
        shared_cluster().execute(url, statement)
    assert moved(f"sqlite:///{file}", url)["passkey"] == 1
    ((banned, until),) = shared_cluster().execute(
        url, """select banned, to_char("banExpires" at time zone 'utc', 'YYYY MS') from "user" """
    )
    assert (banned, until) == (True, "2999 123")


@pytest.mark.parametrize("value", ["'then'", "'2026-13-01T00:00:00.000Z'", "1e300"])
def test_a_value_that_postgresql_cannot_have(file: Path, url: str, value: str) -> None:
    edit(file, f'update "session" set "expiresAt" = {value} where id = \'s1\'')
    assert re.search(
        r"the table session, row 's1': expiresAt has", refused(f"sqlite:///{file}", url)
    )
    edit(file, "delete from session")
    moved(f"sqlite:///{file}", url)


def test_a_file_and_postgresql_are_named(file: Path, url: str) -> None:
    for source, target in ((f"sqlite:///{file}", f"sqlite:///{file}2"), (url, url)):
        done = run_here("migrate-store", source, target)
        assert done.returncode == 2
        assert "give one URL of a file" in done.stderr
    done = run_here("migrate-store", f"sqlite:///{file}", "postgresql://me:secret@localhost/x")
    assert done.returncode == 2
    assert "secret" not in done.stderr
