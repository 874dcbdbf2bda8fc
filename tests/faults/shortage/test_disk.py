"""The disk is full, broken, read-only or gives way in the middle of a write."""

import errno
import subprocess
from pathlib import Path

import pytest
from faults.shortage.client import PATIENCE, Client, assert_sound, assert_unavailable, eventually
from faults.shortage.faults import (
    DISK_BROKEN,
    DISK_FULL,
    HALF_WRITES,
    READ_ONLY,
    READ_ONLY_FILE,
    SYNC_BROKEN,
    Fault,
    Injector,
    Kind,
)
from support import Database, run, serving

FAULTS = {
    "full": DISK_FULL,
    "full-for-the-wal": Fault(Kind.WAL, write=errno.ENOSPC),
    "broken": DISK_BROKEN,
    "sync-broken": SYNC_BROKEN,
    "read-only": READ_ONLY,
    "read-only-file": READ_ONLY_FILE,
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_writes_are_503_verification_works_and_the_server_recovers(
    client: Client, injector: Injector, fault: Fault
) -> None:
    kept, ended = (client.create().json()["id"] for _ in range(2))
    with injector.faulty(fault):
        for _ in range(3):
            assert_unavailable(client.create())
            assert_unavailable(client.revoke(ended))
        assert client.codes() == client.expected_codes()
        eventually(lambda: not client.is_ready(), "not ready while nothing can be written")
        assert not client.is_ready()
        assert client.is_alive()
    assert client.create().status_code == 201
    assert client.is_ready()
    assert client.revoke(ended).status_code == 204
    assert client.verify(client.made[kept]).json()["code"] == "VALID"
    client.assert_whole()


def test_a_write_that_takes_half_goes_on_with_the_rest(client: Client, injector: Injector) -> None:
    with injector.faulty(HALF_WRITES):
        for _ in range(10):
            assert client.create().status_code == 201
        assert client.is_ready()
    client.assert_whole()


def test_writes_acknowledged_before_a_disk_failure_survive_a_crash(
    database: Database, own_injector: Injector
) -> None:
    tenant = database.init()
    with (
        serving(database, stop=False, **own_injector.environment) as server,
        Client(server, tenant) as client,
    ):
        # Its first write of all: SQLite then opens the file for reading only, and would keep it so.
        with own_injector.faulty(READ_ONLY):
            assert_unavailable(client.create())
        for _ in range(5):
            assert client.create().status_code == 201
        with own_injector.faulty(SYNC_BROKEN):
            for _ in range(5):
                assert_unavailable(client.create())
            server.process.kill()
            server.process.wait(timeout=PATIENCE)
    client.assert_stored()
    with serving(database) as server, Client(server, tenant, client.made) as again:
        again.assert_whole()


def test_limits_hold_while_their_file_cannot_be_written(client: Client, injector: Injector) -> None:
    answer = client.create(rate_limit={"requests": 3, "window_seconds": 3600})
    secret = client.made.pop(answer.json()["id"])
    with injector.faulty(Fault(Kind.LIMITS, write=errno.ENOSPC)):
        codes = [client.verify(secret).json()["code"] for _ in range(5)]
    assert codes == ["VALID"] * 3 + ["RATE_LIMITED"] * 2
    assert client.verify(secret).json()["code"] == "RATE_LIMITED"


@pytest.mark.parametrize("fault", [DISK_FULL, READ_ONLY], ids=["full", "read-only"])
def test_nothing_starts_on_a_new_database_that_cannot_be_written(
    database: Database, own_injector: Injector, fault: Fault
) -> None:
    with own_injector.faulty(fault):
        answer = run("serve", "--init", database=database.path, **own_injector.environment)
    assert_one_clear_line(answer)
    # What is left of the attempt does no harm.
    database.run_init()
    assert_sound(database)


def test_init_that_cannot_write_makes_nothing(database: Database, own_injector: Injector) -> None:
    with own_injector.faulty(DISK_BROKEN):
        answer = run("init", database=database.path, **own_injector.environment)
    assert_one_clear_line(answer)
    database.run_init()


def test_a_backup_that_has_no_room_says_where(
    database: Database, library: Path, tmp_path: Path
) -> None:
    database.init()
    path = tmp_path / "full" / "backup.db"
    path.parent.mkdir()
    injector = Injector.beside(path, library)
    with injector.faulty(DISK_FULL):
        answer = run("backup", str(path), database=database.path, **injector.environment)
    assert_one_clear_line(answer)
    assert f"cannot write {path}: there is no room left in {path.parent}" in answer.stderr
    assert not list(path.parent.glob("*.db*"))


def test_nothing_starts_where_limits_cannot_be_kept(
    database: Database, own_injector: Injector
) -> None:
    with own_injector.faulty(Fault(Kind.LIMITS, write=errno.ENOSPC)):
        words = ("serve", "--init", "--workers", "2")
        answer = run(*words, database=database.path, **own_injector.environment)
    assert_one_clear_line(answer)
    assert ".limits: No space left" in answer.stderr


def test_nothing_starts_on_a_database_that_may_only_be_read(
    client: Client, injector: Injector
) -> None:
    path = client.server.database.path
    with injector.faulty(READ_ONLY_FILE):
        answer = run("serve", database=path, **injector.environment)
    assert_one_clear_line(answer)
    assert "Permission denied" in answer.stderr


def assert_one_clear_line(answer: subprocess.CompletedProcess[str]) -> None:
    assert answer.returncode == 1, answer.stderr
    assert answer.stderr.startswith("hookstream-keys: "), answer.stderr
    assert answer.stderr.count("\n") == 1, answer.stderr
