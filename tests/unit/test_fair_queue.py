"""Fair queueing: its order, its bound, and what it rejects; with a simulated clock."""

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookstream_keys.runtime.fair_queue import FairQueue


@dataclass(frozen=True, eq=False)
class Job:
    user: str
    address: str

    @property
    def flows(self) -> tuple[str, str]:
        return f"user {self.user}", f"address {self.address}"


USERS, ADDRESSES = st.sampled_from("abcde"), st.sampled_from("12345")
jobs = st.builds(Job, USERS, ADDRESSES)
#: A job that comes, or None for one that begins.
histories = st.lists(st.one_of(jobs, st.none()), max_size=80)
NEWCOMER = Job("newcomer", "new address")


def push(queue: FairQueue[Job], *pushed: Job) -> None:
    for job in pushed:
        assert queue.push(job, job.flows) is None


def drain(queue: FairQueue[Job]) -> list[Job]:
    return [queue.pop() for _ in range(len(queue))]


def after(history: list[Job | None], capacity: int = 1000) -> FairQueue[Job]:
    """The queue that a history leaves."""
    queue: FairQueue[Job] = FairQueue(capacity)
    for job in history:
        if job is not None:
            queue.push(job, job.flows)
        elif len(queue):
            queue.pop()
    return queue


def users(drained: list[Job]) -> str:
    return "".join(job.user for job in drained)


def test_users_take_turns() -> None:
    queue: FairQueue[Job] = FairQueue(20)
    push(queue, *[Job("a", f"a{n}") for n in range(4)], *[Job("b", f"b{n}") for n in range(3)])
    assert users(drain(queue)) == "abababa"


def test_addresses_take_turns() -> None:
    queue: FairQueue[Job] = FairQueue(20)
    push(queue, *[Job(user, "1") for user in "abcd"], *[Job(user, "2") for user in "xyz"])
    assert users(drain(queue)) == "axbyczd"


def test_a_job_waits_for_its_user_and_for_its_address() -> None:
    queue: FairQueue[Job] = FairQueue(20)
    push(queue, Job("a", "1"), Job("a", "2"), Job("b", "2"), Job("c", "3"))
    # b shares its address with a's second.
    assert users(drain(queue)) == "acab"


def test_one_flow_is_first_in_first_out() -> None:
    queue: FairQueue[Job] = FairQueue(20)
    pushed = [Job("a", "1") for _ in range(10)]
    push(queue, *pushed)
    assert drain(queue) == pushed


def test_a_flow_that_paused_has_no_debt_and_no_credit() -> None:
    queue: FairQueue[Job] = FairQueue(20)
    push(queue, *[Job("a", "1") for _ in range(5)])
    drain(queue)
    push(queue, *[Job("b", "2") for _ in range(3)], *[Job("a", "1") for _ in range(3)])
    assert users(drain(queue)) == "bababa"


def test_nothing_waits_in_an_empty_queue() -> None:
    queue: FairQueue[Job] = FairQueue(1)
    assert len(queue) == 0
    with pytest.raises(IndexError):
        queue.pop()


def test_a_full_queue_rejects_the_flood_and_not_newcomers() -> None:
    queue: FairQueue[Job] = FairQueue(3)
    flood = [Job("a", str(number)) for number in range(5)]
    push(queue, *flood[:3])
    # One more of the flood would be begun last.
    assert queue.push(flood[3], flood[3].flows) is flood[3]
    assert queue.push(NEWCOMER, NEWCOMER.flows) is flood[2]
    assert users(drain(queue)) == "a" + NEWCOMER.user + "a"


def test_a_rejected_job_is_no_debt() -> None:
    queue: FairQueue[Job] = FairQueue(2)
    flood = [Job("a", "1") for _ in range(50)]
    push(queue, *flood[:2])
    assert [queue.push(job, job.flows) for job in flood[2:]] == flood[2:]
    drain(queue)
    push(queue, Job("b", "2"), Job("a", "1"))
    assert users(drain(queue)) == "ba"


@given(histories)
def test_a_newcomer_waits_for_one_job_of_each_other_user_and_address(
    history: list[Job | None],
) -> None:
    queue = after(history)
    queue.push(NEWCOMER, NEWCOMER.flows)
    order = drain(queue)
    ahead = order[: order.index(NEWCOMER)]
    assert max(Counter(job.user for job in ahead).values(), default=0) <= 1
    assert max(Counter(job.address for job in ahead).values(), default=0) <= 1


@given(histories, histories)
def test_a_newcomer_is_not_overtaken(history: list[Job | None], later: list[Job | None]) -> None:
    queue = after(history)
    waiting = len(queue)
    queue.push(NEWCOMER, NEWCOMER.flows)
    begun: list[Job] = []
    arrived: list[Job] = []
    for job in later:
        if job is not None:
            arrived.append(job)
            queue.push(job, job.flows)
        else:
            begun += [queue.pop()] if len(queue) else []
    begun += drain(queue)
    before = begun[: begun.index(NEWCOMER)]
    assert not set(before) & set(arrived)
    assert len(before) <= waiting


@given(histories)
def test_every_job_begins_once_and_each_flow_in_its_order(history: list[Job | None]) -> None:
    pushed = [job for job in history if job is not None]
    queue: FairQueue[Job] = FairQueue(1000)
    push(queue, *pushed)
    order = drain(queue)
    assert sorted(map(id, order)) == sorted(map(id, pushed))
    for flow in {flow for job in pushed for flow in job.flows}:
        of = [job for job in pushed if flow in job.flows]
        assert [job for job in order if flow in job.flows] == of


@given(histories, st.integers(1, 6))
def test_a_full_queue_rejects_the_job_that_would_start_last(
    history: list[Job | None], capacity: int
) -> None:
    queue: FairQueue[Job] = FairQueue(capacity)
    for job in history:
        if job is None:
            if len(queue):
                queue.pop()
            continue
        full = len(queue) == capacity
        rejected = queue.push(job, job.flows)
        assert (rejected is not None) is full
        assert len(queue) <= capacity


@given(st.lists(st.tuples(st.integers(1, 4), jobs), min_size=1, max_size=60))
def test_a_steady_flood_delays_a_newcomer_by_its_turn_only(
    arrivals: list[tuple[int, Job]],
) -> None:
    """One thread whose every job takes one tick; some jobs come in every tick."""
    queue: FairQueue[Job] = FairQueue(1000)
    came_at = len(arrivals) // 2
    begun_at: int | None = None
    for tick in range(len(arrivals) + 1000):
        if tick < len(arrivals):
            times, job = arrivals[tick]
            for _ in range(times):
                same = Job(job.user, job.address)
                queue.push(same, same.flows)
        if tick == came_at:
            queue.push(NEWCOMER, NEWCOMER.flows)
        if len(queue) and queue.pop() is NEWCOMER:
            begun_at = tick
            break
    assert begun_at is not None
    # Five users can have one job each ahead of it.
    assert begun_at - came_at <= 5
