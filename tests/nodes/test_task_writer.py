"""The writer for PostgreSQL: what shares a transaction, and what becomes of one that fails."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support import ON_POSTGRESQL
from support.postgresql import shared_cluster
from unit import samples

from hookstream_keys.domain.errors import Overloaded
from hookstream_keys.runtime import task_writer
from hookstream_keys.runtime.task_writer import TaskWriter
from hookstream_keys.store import Store, Tenant, open_store

pytestmark = pytest.mark.skipif(not ON_POSTGRESQL, reason="SQLite has a writer thread")

Job = Callable[[], Coroutine[Any, Any, Any]]


class Counting:
    """A store, and how many group commits it was asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.times = 0

    @asynccontextmanager
    async def group_commit(self) -> AsyncIterator[None]:
        self.times += 1
        async with self._store.group_commit():
            yield


@pytest.fixture
def store() -> Iterator[Store]:
    opened = open_store(shared_cluster().new_database())
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def tenant(store: Store) -> Tenant:
    stored = samples.tenant()
    assert store.run(store.add_first_tenant(stored))
    return stored


def adding(store: Store, tenant: Tenant) -> Job:
    event = samples.event_of(tenant.key)

    async def add() -> str:
        await store.add_events([event])
        return event.id

    return add


async def all_of(writer: TaskWriter, jobs: list[tuple[Job, str]]) -> list[Any]:
    """What jobs of these flows return or raise, when all arrive at once."""
    asked = [writer.run(job, flow) for job, flow in jobs]
    return await asyncio.gather(*asked, return_exceptions=True)


def test_jobs_of_a_tenant_share_a_commit_and_those_of_others_do_not(
    store: Store, tenant: Tenant
) -> None:
    counting = Counting(store)
    writer = TaskWriter(counting)  # type: ignore[arg-type]
    jobs = [(adding(store, tenant), "one") for _ in range(20)]
    assert len(set(store.run(all_of(writer, jobs)))) == 20
    # The first begins at once: the others are there before it runs.
    assert counting.times == 1
    jobs = [(adding(store, tenant), flow) for flow in ("one", "two", "one")]
    store.run(all_of(writer, jobs))
    assert counting.times == 3
    assert store.check_audit_log().fault is None


def test_a_job_that_fails_fails_no_other(store: Store, tenant: Tenant) -> None:
    async def fail() -> None:
        raise ValueError("no")

    add = adding(store, tenant)
    found = store.run(all_of(TaskWriter(store), [(fail, "one"), (add, "one")]))
    assert isinstance(found[0], ValueError)
    assert found[1].startswith("al_")
    assert store.check_audit_log().rows == len(samples.events(tenant)) + 1


def test_a_job_that_breaks_the_transaction_fails_no_other(store: Store, tenant: Tenant) -> None:
    async def break_it() -> None:
        # A text of PostgreSQL has no such character.
        await store.find_user("usr_\0")

    jobs = [(adding(store, tenant), "one"), (break_it, "one"), (adding(store, tenant), "one")]
    first, broken, last = store.run(all_of(TaskWriter(store), jobs))
    assert isinstance(broken, Exception)
    assert first != last
    # Neither twice, though they were repeated.
    assert store.check_audit_log().rows == len(samples.events(tenant)) + 2


def test_a_deadlock_is_repeated(store: Store, tenant: Tenant) -> None:
    other = samples.tenant()
    event = samples.event_of(other.key)
    store.run(store.add_user(other.user, other.credential, other.tenancy, None, [event]))
    both = asyncio.Barrier(2)
    met = False

    def in_order(first: Tenant, second: Tenant) -> Job:
        async def add() -> None:
            nonlocal met
            await store.add_events([samples.event_of(first.key)])
            if not met:
                await both.wait()
                met = True
            await store.add_events([samples.event_of(second.key)])

        return add

    before = store.check_audit_log().rows
    jobs = [(in_order(tenant, other), "one"), (in_order(other, tenant), "two")]
    assert store.run(all_of(TaskWriter(store), jobs)) == [None, None]
    found = store.check_audit_log()
    assert (found.rows, found.fault) == (before + 4, None)


def test_beyond_the_queue_jobs_are_rejected(
    store: Store, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_writer, "MAX_QUEUED", 5)
    monkeypatch.setattr(task_writer, "MAX_BATCH", 1)
    jobs = [(adding(store, tenant), "one") for _ in range(8)]
    found = store.run(all_of(TaskWriter(store), jobs))
    assert sum(isinstance(each, Overloaded) for each in found) == 3
    assert store.check_audit_log().rows == len(samples.events(tenant)) + 5


def test_stopping_finishes_what_waits_and_runs_the_tasks_once_more(
    store: Store, tenant: Tenant
) -> None:
    ran: list[str] = []

    async def task() -> None:
        ran.append("task")

    async def last() -> None:
        ran.append("last")

    async def scenario() -> list[Any]:
        writer = TaskWriter(store, [task], every=60, at_end=[last])
        writer.start()
        asked = [asyncio.ensure_future(writer.run(adding(store, tenant), n)) for n in range(9)]
        await asyncio.sleep(0)
        await writer.stop()
        return [each.result() for each in asked]

    assert len(set(store.run(scenario()))) == 9
    assert ran[-2:] == ["task", "last"]
