"""Backups and restores beside servers that write, and killed on the way.

FAULTS_SECONDS says for how long; a few seconds without it. FAULTS_SEED repeats a run.
"""

import os
import random
import sqlite3
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from support import COMMAND, Database, Server, Tenant, environment, run, serving
from support.bulk import add_keys

SECONDS = float(os.environ.get("FAULTS_SECONDS", "2"))
#: The keys that only make a database large, and how many there are.
BULK, LARGE = "name = 'renamed'", 3_000
SEED = int(os.environ.get("FAULTS_SEED", "1"))


@dataclass
class Work:
    """Clients that issue and revoke keys, and what they were told."""

    server: Server
    tenant: Tenant
    issued: dict[str, str] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    unavailable: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def go_on(self, number: int) -> None:
        """Issue keys, and revoke every other one, until it is enough."""
        headers = {"X-API-Key": self.tenant.key}
        body = {"org_id": self.tenant.org_id, "env_id": self.tenant.env_id}
        with httpx.Client(base_url=self.server.url, headers=headers, timeout=60) as client:
            while not self._stop.is_set():
                made = client.post("/auth/api-keys", json={**body, "name": f"n{number}"})
                if made.status_code == 503:
                    self.unavailable += 1
                    continue
                assert made.status_code == 201, made.text
                key_id = made.json()["id"]
                self.issued[key_id] = made.json()["key"]
                if len(self.issued) % 2:
                    continue
                ended = client.delete(f"/auth/api-keys/{key_id}")
                # Meanwhile an older state was put back that had no such key.
                assert ended.status_code in (204, 404, 503), ended.text
                if ended.status_code == 204:
                    self.revoked.add(key_id)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Work in the background until the block ends. Raises what went wrong in it."""
        with ThreadPoolExecutor(3) as pool:
            clients = [pool.submit(self.go_on, number) for number in range(3)]
            try:
                yield
            finally:
                self._stop.set()
            for client in clients:
                client.result()

    def until_more(self, count: int = 20) -> None:
        """Wait until so many keys more were issued."""
        wanted, deadline = len(self.issued) + count, time.monotonic() + 120
        while len(self.issued) < wanted:
            assert time.monotonic() < deadline, "the server does not go on"
            time.sleep(0.01)

    def codes(self) -> dict[str, str]:
        """What verification says of every key that was issued."""
        headers = {"X-API-Key": self.tenant.key}
        with httpx.Client(base_url=self.server.url, headers=headers, timeout=60) as client:
            return {
                key_id: client.post("/auth/api-keys/verify", json={"key": secret}).json()["code"]
                for key_id, secret in self.issued.items()
            }


@contextmanager
def working(database: Database) -> Iterator[Work]:
    tenant = database.init()
    with serving(database, workers=2, HOOKSTREAM_RATE_LIMIT="off") as server:
        yield Work(server, tenant)


def done(database: Database, *arguments: str) -> str:
    answer = run(*arguments, database=database.path)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def keys_in(path: Path) -> dict[str, bool]:
    """The keys of a database file, and whether each is revoked: as its log has it, too."""
    with closing(sqlite3.connect(path)) as connection:
        keys = dict(connection.execute("select id, revoked_at is not null from api_key"))
        log = connection.execute("select action, resource_id from audit_log").fetchall()
        (found,) = connection.execute("pragma integrity_check").fetchone()
    assert found == "ok"
    assert keys.keys() == {of for action, of in log if action == "api_key.created"}
    ended = {of for action, of in log if action == "api_key.revoked"}
    assert ended == {key_id for key_id, revoked in keys.items() if revoked}
    return {key_id: bool(revoked) for key_id, revoked in keys.items()}


def test_a_backup_beside_writers_is_of_one_moment(database: Database) -> None:
    end, number = time.monotonic() + SECONDS, 0
    with working(database) as work, work.going_on():
        while number < 2 or time.monotonic() < end:
            number += 1
            work.until_more()
            before = (set(work.issued), set(work.revoked))
            path = database.path.with_name(f"{number}.db")
            done(database, "backup", str(path))
            found = keys_in(path)
            # What was acknowledged before is in it, whatever came meanwhile.
            assert before[0] <= found.keys()
            assert all(found[key_id] for key_id in before[1])
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            path.unlink()
    assert not work.unavailable
    print(f"{number} backups, {len(work.issued)} keys issued, {len(work.revoked)} revoked")


def test_a_restore_beside_writers_brings_back_nothing_that_was_revoked(
    database: Database,
) -> None:
    end, number = time.monotonic() + SECONDS, 0
    path = database.path.with_name("backup.db")
    with working(database) as work:
        with work.going_on():
            work.until_more()
            issued = dict(work.issued)
            done(database, "backup", str(path))
            while number < 2 or time.monotonic() < end:
                number += 1
                work.until_more()
                done(database, "restore", str(path))
                assert done(database, "audit", "verify").startswith("ok, ")
        said = work.codes()
    assert {said[key_id] for key_id in work.revoked} <= {"REVOKED", "NOT_FOUND"}
    assert {said[key_id] for key_id in issued if key_id not in work.revoked} == {"VALID"}
    assert done(database, "audit", "verify").startswith("ok, ")
    print(f"{number} restores, {len(work.issued)} keys issued, {len(work.revoked)} revoked")


def duration(database: Database, *arguments: str) -> float:
    """How long a command takes, in seconds."""
    begun = time.monotonic()
    done(database, *arguments)
    return time.monotonic() - begun


def killed(database: Database, after: float, *arguments: str) -> bool:
    """Run a command and kill it after so many seconds. Returns whether it was quicker."""
    process = subprocess.Popen(
        [COMMAND, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=database.path.parent,
        env=environment(database.path),
    )
    try:
        return process.wait(after) == 0
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(60)
        return False


@pytest.fixture
def large(database: Database) -> tuple[Database, Tenant]:
    """A database that takes some time to copy."""
    tenant = database.init()
    add_keys(database.path, tenant.org_id, tenant.env_id, LARGE)
    return database, tenant


def test_killed_on_the_way_a_backup_is_whole_or_not_there(large: tuple[Database, Tenant]) -> None:
    database, _ = large
    took = duration(database, "backup", "whole.db")
    chance = random.Random(SEED)  # noqa: S311 - when to kill is no secret
    end, number, whole = time.monotonic() + SECONDS, 0, 0
    while number < 2 or time.monotonic() < end:
        number += 1
        path = database.path.with_name(f"{number}.db")
        finished = killed(database, took * chance.uniform(0.3, 1.1), "backup", str(path))
        assert path.exists() or not finished
        if path.exists():
            whole += 1
            with closing(sqlite3.connect(path)) as connection:
                assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
                assert connection.execute("select count(*) from api_key").fetchone() == (LARGE + 1,)
            path.unlink()
        for draft in path.parent.glob(".*"):
            assert stat.S_IMODE(draft.stat().st_mode) == 0o600
            draft.unlink()
    print(f"{number} backups begun, {whole} of them whole, seed {SEED}")


def test_killed_on_the_way_a_restore_was_done_or_was_not(large: tuple[Database, Tenant]) -> None:
    database, tenant = large
    path = database.path.with_name("backup.db")
    done(database, "backup", str(path))
    took = duration(database, "restore", str(path), "--dry-run")
    database.execute(f"update api_key set revoked_at = '2026-01-02T00:00:00.000Z' where {BULK}")
    chance = random.Random(SEED)  # noqa: S311 - when to kill is no secret
    end, number = time.monotonic() + SECONDS, 0
    (rows,) = database.execute("select max(seq) from audit_log")[0]
    while number < 2 or time.monotonic() < end:
        number += 1
        database.execute("update organization set name = 'Of now'")
        finished = killed(database, took * chance.uniform(0.3, 1.2), "restore", str(path))
        (name,) = database.execute("select name from organization")[0]
        (now,) = database.execute("select max(seq) from audit_log")[0]
        # The log tells whether it was done, and then all of it was.
        assert (name == "My organization") == (now > rows)
        assert now > rows or not finished
        rows = now
        assert database.execute(
            f"select count(*) from api_key where {BULK} and revoked_at is null"
        ) == [(0,)]
        assert database.execute("pragma foreign_key_check") == []
        assert done(database, "audit", "verify").startswith("ok, ")
        assert run("keys", "verify", database=database.path, stdin=tenant.key).returncode == 0
    print(f"{number} restores begun, {rows} rows in the log, seed {SEED}")


def test_killed_on_the_way_a_prune_leaves_a_log_that_is_verified_and_goes_on(
    large: tuple[Database, Tenant],
) -> None:
    database, _ = large
    moment, archives = database.now(), list[Path]()
    (rows,) = database.execute("select max(seq) from audit_log")[0]
    chance = random.Random(SEED)  # noqa: S311 - when to kill is no secret
    number, finished = 0, False
    while not finished:
        number += 1
        path = database.path.with_name(f"{number}.jsonl")
        command = ("audit", "prune", "--before", moment, "--archive", str(path))
        finished = killed(database, chance.uniform(0.5, 3), *command)
        # Once it has its name it is whole, and only then anything is removed.
        archives += [path] if path.exists() else []
        files = [option for each in archives for option in ("--archive", str(each))]
        checked = done(database, "audit", "verify", "--state", *files)
        (last,) = database.execute("select max(seq) from audit_log")[0]
        assert checked.startswith(f"ok, {last} rows, ")
        assert "\nstate ok, " in checked
        assert done(database, "audit", "verify").startswith("ok, ")
        for draft in path.parent.glob(".*"):
            assert stat.S_IMODE(draft.stat().st_mode) == 0o600
            draft.unlink()
    (left,) = database.execute("select min(seq) from audit_log")[0]
    assert left > rows
    print(f"{number} prunes begun, {len(archives)} archives, seed {SEED}")
