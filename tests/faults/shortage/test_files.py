"""The database file is deleted, replaced or damaged, under the server and before it starts."""

import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from faults.shortage.client import Client, assert_unavailable, eventually
from support import Database, run, serving

SIDES = ("-wal", "-shm")


@pytest.fixture
def client(database: Database) -> Iterator[Client]:
    tenant = database.init()
    with serving(database) as server, Client(server, tenant) as client:
        yield client


def beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def copy(path: Path, target: Path) -> None:
    """A backup as SQLite makes one, of everything that was committed."""
    with closing(sqlite3.connect(path)) as of, closing(sqlite3.connect(target)) as to:
        of.backup(to)
        to.execute("pragma journal_mode = wal")


def put_away(path: Path) -> Path:
    """Move the database with all that belongs to it."""
    away = path.with_name("away")
    away.mkdir()
    for end in ("", *SIDES):
        beside(path, end).rename(away / (path.name + end))
    return away


def assert_nothing_goes(client: Client) -> None:
    for _ in range(2):
        assert_unavailable(client.create())
    assert not client.is_ready()
    assert client.is_alive()
    # Reading stops within a second: the server cannot know whether a key has been revoked since.
    secret = client.tenant.key
    eventually(lambda: client.verify(secret).status_code == 503, "a key is not verified")
    assert_unavailable(client.verify(secret))


def test_a_database_that_is_moved_away_is_503_until_it_is_back(client: Client) -> None:
    path = client.server.database.path
    assert client.create().status_code == 201
    away = put_away(path)
    assert_nothing_goes(client)
    for end in ("", *SIDES):
        (away / (path.name + end)).rename(beside(path, end))
    eventually(client.is_ready, "ready when it is back")
    assert client.create().status_code == 201
    client.assert_whole()


def test_a_replaced_database_is_used_without_a_restart(client: Client, tmp_path: Path) -> None:
    path = client.server.database.path
    kept = client.create().json()
    backup = tmp_path / "backup.db"
    copy(path, backup)
    lost = client.create().json()
    # Only the database: what lies beside it is of the old one, and must not be mixed with this.
    backup.rename(path)
    assert_nothing_goes(client)
    for end in SIDES:
        beside(path, end).unlink()
    eventually(client.is_ready, "ready with the backup")
    codes = client.codes()
    assert codes == {kept["id"]: "VALID", lost["id"]: "NOT_FOUND"}
    del client.made[lost["id"]]
    assert client.create().status_code == 201
    client.assert_whole()


@pytest.mark.parametrize("end", SIDES)
def test_a_deleted_wal_or_shm_loses_nothing_acknowledged(database: Database, end: str) -> None:
    tenant = database.init()
    with serving(database) as server, Client(server, tenant) as client:
        for _ in range(5):
            assert client.create().status_code == 201
        beside(database.path, end).unlink()
        for _ in range(2):
            assert_unavailable(client.create())
        assert not client.is_ready()
        assert client.codes() == client.expected_codes()
    client.assert_stored()


def cut(path: Path) -> None:
    """Leave the first page of the file and the half of another."""
    os.truncate(path, 6_000)


def damage(path: Path) -> None:
    """Overwrite bytes all over the file, but for its first page, which says how to read it."""
    chance = random.Random(1)  # noqa: S311 - no secret
    size = path.stat().st_size
    with path.open("r+b") as file:
        for offset in range(4096, size, 1024):
            file.seek(offset + chance.randrange(64))
            file.write(chance.randbytes(512))


def test_a_database_that_is_damaged_or_cut_under_the_server_is_503_until_it_is_restored(
    database: Database, tmp_path: Path
) -> None:
    tenant = database.init()
    backup = tmp_path / "backup.db"
    copy(database.path, backup)
    with serving(database) as server, Client(server, tenant) as client:
        for spoil in (damage, cut):
            put_back(database.path, backup)
            eventually(client.is_ready, "ready")
            spoil(database.path)
            statuses = {client.create().status_code for _ in range(3)}
            statuses |= {client.verify(tenant.key).status_code for _ in range(3)}
            statuses |= {client.ask("GET", "/auth/api-keys").status_code}
            # SQLite keeps no checksums: what was overwritten may as well never have been there.
            assert statuses <= {200, 201, 401, 404, 503}, statuses
            assert client.is_alive()
        put_back(database.path, backup)
        eventually(client.is_ready, "ready with the backup")
        client.made.clear()
        assert client.create().status_code == 201
        client.assert_whole()


def put_back(path: Path, backup: Path) -> None:
    """Restore a backup the way that is safe while a server runs: delete, then put in place."""
    for end in ("", *SIDES):
        beside(path, end).unlink(missing_ok=True)
    fresh = path.with_name("fresh.db")
    shutil.copy(backup, fresh)
    fresh.rename(path)


def no_database(path: Path) -> None:
    path.write_bytes(b"This is no database, but a text that is longer than a header.\n" * 90)


@pytest.mark.parametrize(
    "spoil",
    [damage, cut, no_database],
)
def test_nothing_starts_on_a_damaged_database(
    database: Database, spoil: Callable[[Path], None]
) -> None:
    database.init()
    spoil(database.path)
    before = database.path.read_bytes()
    answer = run("serve", "--port", "0", database=database.path)
    assert answer.returncode == 1, answer.stderr
    assert answer.stderr.startswith("hookstream-keys: "), answer.stderr
    assert answer.stderr.count("\n") == 1, answer.stderr
    assert database.path.read_bytes() == before
