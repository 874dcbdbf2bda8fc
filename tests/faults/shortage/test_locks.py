"""Another process holds on to the database: a writer its lock, a reader the write-ahead log."""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from faults.shortage.client import Client, assert_unavailable, eventually
from faults.shortage.faults import Fault, Injector, Kind

#: How long a request may take while nothing can be written: twice the time that the store waits
#: for another writer, and then some for a busy machine.
LONGEST = 10 + 5
#: After how many seconds in one transaction the writer rejects queued requests.
MAX_QUEUE_SECONDS = 5
#: What the write-ahead log is cut back to, and what SQLite lets it grow to by itself.
MAX_WAL_BYTES = 16 * 1024 * 1024
PAGE = 4096


@contextmanager
def holding(path: Path, *statements: str) -> Iterator[sqlite3.Connection]:
    """A process that holds a transaction open."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement).fetchall()
        yield connection


def test_a_long_write_lock_leaves_reads_and_is_reported(client: Client) -> None:
    assert client.create().status_code == 201
    with holding(client.server.database.path, "begin exclusive"), ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(client.create) for _ in range(4)]
        # Reading goes on all the while.
        while not all(each.done() for each in asked):
            begun = time.monotonic()
            assert client.codes() == client.expected_codes()
            assert client.is_alive()
            time.sleep(0.3)
            assert time.monotonic() - begun < LONGEST
        for each in asked:
            assert_unavailable(each.result())
        assert not client.is_ready()
    assert client.create().status_code == 201
    assert client.is_ready()
    client.assert_whole()


def test_a_stalled_disk_is_reported_at_once(client: Client, injector: Injector) -> None:
    with injector.faulty(Fault(Kind.WAL, sync_ms=12_000)), ThreadPoolExecutor(4) as pool:
        before = injector.hits
        first = pool.submit(client.create)
        eventually(lambda: injector.hits > before, "the disk stands still")
        injector.set(Fault())
        # The first is at the disk, and is answered when that has come back; the second waits.
        second = pool.submit(client.create)
        time.sleep(MAX_QUEUE_SECONDS)
        eventually(lambda: client.create().status_code == 503, "more are rejected")
        assert_unavailable(second.result())
        assert not client.is_ready()
        assert client.codes() == client.expected_codes()
        assert not first.done(), "all of this was to happen while the disk stood still"
        assert first.result().status_code == 201
    assert client.create().status_code == 201
    eventually(client.is_ready, "ready")
    client.assert_whole()


def test_a_reader_that_stays_lets_the_log_grow_and_no_longer_than_it_stays(
    client: Client,
) -> None:
    path = client.server.database.path
    wal = path.with_name(path.name + "-wal")
    client.create()
    with holding(path, "begin", "select count(*) from api_key"):
        fill(path, megabytes=24)
        grown = wal.stat().st_size
        assert grown > MAX_WAL_BYTES
        assert client.create().status_code == 201
        assert client.codes() == client.expected_codes()
        assert client.is_ready()
        assert wal.stat().st_size >= grown
    # The next write checkpoints it, and the one after that truncates it.
    eventually(
        lambda: client.create().status_code == 201 and wal.stat().st_size <= MAX_WAL_BYTES,
        "the log is cut back",
    )
    client.assert_whole()


def fill(path: Path, megabytes: int) -> None:
    """Write much by another process, as an import beside the server would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("pragma synchronous = off")
        connection.execute("create table if not exists ballast (bytes)")
        for _ in range(megabytes):
            connection.execute("insert into ballast values (zeroblob(?))", (256 * PAGE,))
