"""The writer's thread: concurrent writes share a group commit, and are then answered."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import pytest
from support import until
from support.results import as_coroutine, result_of
from unit import samples
from unit.conftest import Engine, Sqlite

from hookstream_keys.domain import keys
from hookstream_keys.domain.errors import Overloaded
from hookstream_keys.runtime import writer as module
from hookstream_keys.runtime.writer import Writer
from hookstream_keys.store import SqliteStore, Store, StoreUnavailable, Tenant

# The writer's thread is SQLite's.
pytestmark = pytest.mark.usefixtures("sqlite")

Job = Callable[[], Any]


class Counting:
    """A store, and how often it was asked to store things together."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.times = 0
        self._at_its_end, self._disk = threading.Event(), threading.Event()
        self._disk.set()

    @asynccontextmanager
    async def group_commit(self) -> AsyncIterator[None]:
        self.times += 1
        async with self._store.group_commit():
            yield
            self._at_its_end.set()
            self._disk.wait(10)

    @contextmanager
    def slow_disk(self) -> Iterator[Callable[[], object]]:
        """Block commits while the block runs. Yields a function that waits for one to begin."""
        self._at_its_end.clear()
        self._disk.clear()
        yield lambda: self._at_its_end.wait(10)
        self._disk.set()


@pytest.fixture
def counting(store: Store) -> Counting:
    return Counting(store)


@pytest.fixture
def writer(counting: Any) -> Iterator[Writer]:
    made = Writer(counting)
    made.start()
    yield made
    if made._thread.is_alive():
        result_of(made.stop())


def run(writer: Writer, *jobs: Job) -> list[Any]:
    """What each job returns or raises, when all are asked for at once."""

    async def all_of_them() -> list[Any]:
        asked: list[Awaitable[Any]] = [writer.run(as_coroutine(job)) for job in jobs]
        return await asyncio.gather(*asked, return_exceptions=True)

    return asyncio.run(all_of_them())


@contextmanager
def busy(writer: Writer, queued: int = 0) -> Iterator[None]:
    """Let jobs come in, at least so many, while the writer has something to do."""
    started, go_on = threading.Event(), threading.Event()

    def job() -> None:
        started.set()
        go_on.wait(10)
        until(lambda: writer._jobs.qsize() >= queued, 10)

    thread = threading.Thread(target=lambda: run(writer, job))
    thread.start()
    started.wait(10)
    timer = threading.Timer(0.2, go_on.set)
    timer.start()
    yield
    go_on.set()
    thread.join()


def adding(store: Store, tenant: Tenant) -> tuple[Job, bytes]:
    key, digest = samples.key_of(tenant.tenancy.environment), keys.generate("live").digest
    event = samples.event_of(key)
    return (lambda: result_of(store.add_key(key, digest, event))), digest


def test_a_job_returns_its_result_or_raises(writer: Writer) -> None:
    def fail() -> None:
        raise ValueError("no")

    found = run(writer, lambda: 7, fail, lambda: "x")
    assert found[0] == 7
    assert isinstance(found[1], ValueError)
    assert found[2] == "x"


def test_jobs_are_done_in_one_thread_of_their_own(writer: Writer) -> None:
    found = run(writer, *[lambda: threading.current_thread().name] * 5)
    assert found == ["writer"] * 5


def test_writes_queued_during_a_group_commit_join_it(
    store: Store, tenant: Tenant, writer: Writer, counting: Counting
) -> None:
    jobs = [adding(store, tenant) for _ in range(50)]
    with busy(writer, 50):
        before = counting.times
        assert run(writer, *[job for job, _ in jobs]) == [None] * 50
    assert counting.times == before
    assert all(result_of(store.find_key(digest)) for _, digest in jobs)
    assert store.check_audit_log().fault is None


def test_writes_queued_during_fsync_share_the_next_group_commit(
    writer: Writer, counting: Counting
) -> None:
    with counting.slow_disk() as wait_for_one:
        thread = threading.Thread(target=lambda: run(writer, lambda: None))
        thread.start()
        wait_for_one()
        before = counting.times
        others = threading.Thread(target=lambda: run(writer, *[lambda: None] * 50))
        others.start()
        while writer._jobs.qsize() < 50:
            time.sleep(0.01)
    thread.join()
    others.join()
    assert counting.times == before + 1


def test_a_group_commit_has_a_maximum_size(
    monkeypatch: pytest.MonkeyPatch, writer: Writer, counting: Counting
) -> None:
    monkeypatch.setattr(module, "MAX_BATCH", 10)
    with busy(writer, 35):
        before = counting.times
        run(writer, *[lambda: None] * 35)
    # The first with nine of these.
    assert counting.times == before + 3


def test_a_failed_write_does_not_affect_its_group_commit(
    engine: Engine, store: Store, tenant: Tenant, writer: Writer
) -> None:
    before = engine.run("select count(*) from api_key")[0][0]
    valid, digest = adding(store, tenant)
    other, other_digest = adding(store, tenant)
    half, half_digest = adding(store, tenant)

    def fails_at_its_end() -> None:
        half()
        # The same once more: what the job has stored by then stays, this does not.
        half()

    with busy(writer):
        found = run(writer, valid, fails_at_its_end, other)
    assert found[0] is None
    assert isinstance(found[1], Exception)
    assert found[2] is None
    assert result_of(store.find_key(digest))
    assert result_of(store.find_key(other_digest))
    assert result_of(store.find_key(half_digest))
    assert engine.run("select count(*) from api_key")[0][0] == before + 3
    assert store.check_audit_log().fault is None


def test_nothing_is_answered_before_it_is_there(
    engine: Engine, store: Store, tenant: Tenant, writer: Writer
) -> None:
    seen: list[bool] = []

    async def ask() -> None:
        job, digest = adding(store, tenant)
        await writer.run(as_coroutine(job))
        rows = engine.run("select 1 from api_key where digest = ?", digest)
        seen.append(bool(rows))

    async def all_of_them() -> None:
        await asyncio.gather(*[ask() for _ in range(20)])

    asyncio.run(all_of_them())
    assert seen == [True] * 20


def test_when_the_transaction_fails_all_writes_fail(
    sqlite: Sqlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(sqlite.path)
    store.migrate()
    tenant = samples.tenant()
    result_of(store.add_first_tenant(tenant))
    writer = Writer(store)
    writer.start()
    try:
        jobs = [adding(store, tenant) for _ in range(3)]

        def undo() -> None:
            # As SQLite does when the disk is full.
            store.connection().execute("rollback")

        with busy(writer):
            found = run(writer, jobs[0][0], undo, jobs[1][0], jobs[2][0])
        assert all(isinstance(each, StoreUnavailable) for each in found)
        assert not any(result_of(store.find_key(digest)) for _, digest in jobs)
        assert run(writer, jobs[0][0]) == [None]
        assert result_of(store.find_key(jobs[0][1]))
    finally:
        result_of(writer.stop())
        store.close()


def test_a_missing_database_is_reported_and_reopened(
    engine: Engine, store: Store, tenant: Tenant, writer: Writer
) -> None:
    engine.run("alter table api_key rename to elsewhere")
    job, digest = adding(store, tenant)
    (found,) = run(writer, job)
    assert isinstance(found, StoreUnavailable)
    engine.run("alter table elsewhere rename to api_key")
    assert run(writer, job) == [None]
    assert result_of(store.find_key(digest))


def test_a_write_that_is_cancelled_before_it_begins_is_dropped(writer: Writer) -> None:
    done: list[str] = []

    async def ask() -> None:
        tasks = {
            name: asyncio.ensure_future(writer.run(as_coroutine(partial(done.append, name))))
            for name in ("first", "cancelled", "last")
        }
        await asyncio.sleep(0)
        tasks["cancelled"].cancel()
        await asyncio.gather(tasks["first"], tasks["last"])

    with busy(writer):
        asyncio.run(ask())
    assert done == ["first", "last"]


def test_a_write_that_is_cancelled_after_it_has_begun_is_complete(
    store: Store, tenant: Tenant, writer: Writer
) -> None:
    job, digest = adding(store, tenant)
    begun, cancelled = threading.Event(), threading.Event()

    def slow_job() -> None:
        begun.set()
        cancelled.wait(10)
        job()

    async def ask() -> None:
        task = asyncio.ensure_future(writer.run(as_coroutine(slow_job)))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        await asyncio.wait({task})
        cancelled.set()
        await writer.stop()

    asyncio.run(ask())
    assert result_of(store.find_key(digest))


def test_requests_beyond_the_write_queue_are_rejected(
    monkeypatch: pytest.MonkeyPatch, writer: Writer
) -> None:
    monkeypatch.setattr(module, "MAX_QUEUED", 5)
    with busy(writer):
        found = run(writer, *[lambda: 1] * 8)
    assert found[:5] == [1] * 5
    assert all(isinstance(each, Overloaded) for each in found[5:])
    assert run(writer, lambda: 1) == [1]


def test_a_write_that_waited_too_long_is_rejected(
    monkeypatch: pytest.MonkeyPatch, writer: Writer
) -> None:
    monkeypatch.setattr(module, "MAX_QUEUE_SECONDS", 0.1)
    done: list[int] = []
    # It has begun no sooner than 0.2 seconds after these have come.
    with busy(writer):
        found = run(writer, *[lambda: done.append(1)] * 3)
    assert all(isinstance(each, Overloaded) for each in found)
    assert not done
    # On a busy machine it may take as long until the writer is at this.
    monkeypatch.setattr(module, "MAX_QUEUE_SECONDS", 5)
    assert run(writer, lambda: 1) == [1]


def test_while_the_disk_stalls_queued_writes_are_rejected(
    monkeypatch: pytest.MonkeyPatch, writer: Writer
) -> None:
    with busy(writer):

        async def both() -> Sequence[Any]:
            first = asyncio.ensure_future(writer.run(as_coroutine(lambda: 1)))
            await asyncio.sleep(0)
            monkeypatch.setattr(module, "MAX_QUEUE_SECONDS", -1)
            second = writer.run(as_coroutine(lambda: 2))
            return list(await asyncio.gather(first, second, return_exceptions=True))

        found = asyncio.run(both())
        monkeypatch.setattr(module, "MAX_QUEUE_SECONDS", 5)
    assert all(isinstance(each, Overloaded) for each in found)
    assert run(writer, lambda: 1) == [1]


def test_the_writer_stops_although_all_writes_were_rejected(writer: Writer) -> None:
    with busy(writer):
        writer._jobs.put(None)
        writer._reject_queued()
    writer._thread.join(10)
    assert not writer._thread.is_alive()


def test_a_cancelled_caller_gets_no_result(writer: Writer) -> None:
    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.run(as_coroutine(lambda: time.sleep(0.1))), 0.01)
        assert await writer.run(as_coroutine(lambda: 1)) == 1

    asyncio.run(give_up())


def test_periodic_tasks_run_regularly_and_at_shutdown(counting: Any) -> None:
    done: list[str] = []

    async def task() -> None:
        done.append(threading.current_thread().name)
        raise ValueError("it is tried again all the same")

    writer = Writer(counting, [task], every=0.02)
    writer.start()
    deadline = time.monotonic() + 10
    while len(done) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    before = len(done)
    result_of(writer.stop())
    assert len(done) > before
    assert set(done) == {"writer"}
    count = len(done)
    time.sleep(0.1)
    assert len(done) == count


def test_a_periodic_task_says_after_how_long_it_has_more_to_do(counting: Any) -> None:
    times: list[float] = []

    async def task() -> float | None:
        times.append(time.monotonic())
        # The third time there is nothing left.
        return 0.01 if len(times) < 3 else None

    writer = Writer(counting, [task], every=0.5)
    writer.start()
    deadline = time.monotonic() + 10
    while len(times) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(times) == 3
    result_of(writer.stop())
    assert 0.01 <= times[1] - times[0] < 0.5


def test_stopping_finishes_queued_writes(store: Store, tenant: Tenant) -> None:
    writer = Writer(store)
    job, digest = adding(store, tenant)

    async def ask_and_stop() -> None:
        asked = asyncio.ensure_future(writer.run(as_coroutine(job)))
        await asyncio.sleep(0)
        writer.start()
        await writer.stop()
        await asked

    asyncio.run(ask_and_stop())
    assert result_of(store.find_key(digest))
