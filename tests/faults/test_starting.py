"""Many processes that start at once, on no database, on an old one, and on one that is newer.

With `FAULTS_SECONDS` or `FAULTS_CYCLES` they are ten, or as many as `FAULTS_STARTS` says, and the
database is also none at all; without them it is a few (`cli/test_serve.py` begins with none).
"""

import contextlib
import functools
import json
import os
import secrets
import signal
import sqlite3
import subprocess
import time
import zlib
from random import Random

import pytest
from faults import old_database
from faults.processes import DEADLINE_SECONDS, wait_for, workers
from support import COMMAND, Database, environment, run, serving
from support.results import result_of

from hookstream_keys.auth import verification
from hookstream_keys.domain import keys, timestamps
from hookstream_keys.store import open_store

IS_LONG = bool(os.environ.get("FAULTS_SECONDS") or os.environ.get("FAULTS_CYCLES"))
MANY = int(os.environ.get("FAULTS_STARTS") or (10 if IS_LONG else 3))
KILLS = 20 if IS_LONG else 3
SEED = int(os.environ.get("FAULTS_SEED") or secrets.randbelow(2**32))

#: A key, made up apart from the code under test: the last digits are a CRC-32 of all before.
_HEAD = "hs_" + "live_" + "1" * 56
OLD_KEY = f"{_HEAD}{zlib.crc32(_HEAD.encode()):08x}"


@pytest.fixture(params=["empty", "old"] if IS_LONG else ["old"])
def found(request: pytest.FixtureRequest, database: Database) -> Database:
    """A database that there is not yet, or one of an early version."""
    if request.param == "old":
        old_database.make(database, OLD_KEY)
    return database


def test_processes_that_start_concurrently_all_succeed(found: Database) -> None:
    is_old = found.path.exists()
    with contextlib.ExitStack() as stack:
        inits = [_start(stack, found, "init", "--json") for _ in range(MANY)]
        servers = [_start(stack, found, "serve", "--init", "--port", "0") for _ in range(MANY // 2)]
        told = [process.communicate(timeout=DEADLINE_SECONDS) for process in inits]
        assert [process.returncode for process in inits] == [0] * MANY, told
        for process in servers:
            assert process.stdout is not None
            assert "http://" in process.stdout.readline()
            process.terminate()
        # A signal that comes before there is anything to stop just ends it.
        ends = {process.wait(timeout=DEADLINE_SECONDS) for process in servers}
        assert ends <= {0, -signal.SIGTERM}
    shown = [answer for answer, _ in told if "key" in json.loads(answer)]
    # One of the concurrent processes created the first key, and only that one showed it.
    assert len(shown) == (0 if is_old else 1)
    key = OLD_KEY if is_old else json.loads(shown[0])["key"]
    _is_well(found, key)


def test_workers_that_start_concurrently_all_succeed(found: Database) -> None:
    is_old = found.path.exists()
    # Only the debug log says that a worker is ready.
    with serving(found, workers=MANY, HOOKSTREAM_LOG_LEVEL="debug") as server:
        wait_for(lambda: _ready(server.log.read_text()) >= MANY, "not all workers are ready")
        assert len(workers(server)) == MANY
        assert server.request("GET", "/health/ready").status_code == 200
    # None was started twice.
    assert _ready(server.log.read_text()) == MANY
    if not is_old:
        key = json.loads(run("init", "--json", database=found.path).stdout)["key"]
    _is_well(found, OLD_KEY if is_old else key)


def test_a_migration_that_is_killed_has_done_nothing_or_everything(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = Random(SEED)  # noqa: S311 - a test that can be repeated
    rows = 20_000
    old_database.make(database, OLD_KEY, rows)
    before = database.dump()
    kills = 0
    for _ in range(KILLS):
        with contextlib.ExitStack() as stack:
            process = _start(stack, database, "init")
            wait_for(functools.partial(_is_at_it, process, database), "no migration")
            time.sleep(rng.uniform(0.0, 0.3))
            process.kill()
            kills += process.wait(timeout=DEADLINE_SECONDS) == -signal.SIGKILL
        if old_database.steps(database) == old_database.all_steps():
            break
        assert database.dump() == before
    with capsys.disabled():
        print(f"\n{kills} migrations killed, seed {SEED}")
    assert kills > 0
    assert run("init", database=database.path).returncode == 0
    assert database.count("audit_log") == rows
    _is_well(database, OLD_KEY)


def test_a_concurrent_start_waits_for_the_migration(database: Database) -> None:
    old_database.make(database, OLD_KEY)
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(contextlib.closing(sqlite3.connect(database.path)))
        other.execute("begin immediate")
        process = _start(stack, database, "init")
        # Longer than a request would wait.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=7)
        other.rollback()
        _, errors = process.communicate(timeout=DEADLINE_SECONDS)
        assert process.returncode == 0, errors
    _is_well(database, OLD_KEY)


@pytest.mark.parametrize(
    ("command", "mode"), [("init", "delete"), ("serve", "delete"), ("audit verify", "wal")]
)
def test_a_database_of_a_newer_version_is_refused_and_not_touched(
    database: Database, command: str, mode: str
) -> None:
    with contextlib.closing(open_store(f"sqlite:///{database.path}")) as store:
        store.migrate()
    old_database.make_newer(database)
    database.execute(f"pragma journal_mode = {mode}")
    before = database.path.read_bytes()
    answer = run(*command.split(), database=database.path)
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert "newer version (it has m9999_from_the_future): upgrade" in answer.stderr
    assert database.path.read_bytes() == before
    assert {path.name for path in database.path.parent.iterdir()} == {database.path.name}


def _start(stack: contextlib.ExitStack, database: Database, *arguments: str) -> "Process":
    """Run the command until the block ends."""
    process = subprocess.Popen(
        [COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=database.path.parent,
        env=environment(database.path, BETTER_AUTH_SECRET=""),
    )
    stack.callback(_end, process)
    return process


Process = subprocess.Popen[str]


def _end(process: Process) -> None:
    process.kill()
    process.communicate(timeout=DEADLINE_SECONDS)


def _is_at_it(process: Process, database: Database) -> bool:
    """Whether the process is in the middle of a transaction that writes, or has ended."""
    if process.poll() is not None:
        return True
    with contextlib.closing(sqlite3.connect(database.path, timeout=0)) as connection:
        try:
            connection.execute("begin immediate")
        except sqlite3.OperationalError:
            return True
    return False


def _ready(log: str) -> int:
    return log.count("Application startup complete")


def _is_well(database: Database, key: str) -> None:
    """The database is this version's, whole, and its key is valid."""
    assert old_database.steps(database) == old_database.all_steps()
    assert database.execute("pragma integrity_check") == [("ok",)]
    with contextlib.closing(open_store(f"sqlite:///{database.path}")) as store:
        result_of(store.check())
        assert store.check_audit_log().fault is None
        now = timestamps.to_text(timestamps.now())
        assert (
            result_of(verification.verify(store, keys.digest_of(key), verification.Use(now))).code
            == "VALID"
        )
