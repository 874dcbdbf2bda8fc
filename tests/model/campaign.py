"""Many sequences at once: while one lets time pass, others are run, so that waiting costs nothing.

Each sequence goes step by step; a few threads each take whichever is due. What is found is made
as short as it can be, and printed so that it can be found again.
"""

import heapq
import itertools
import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from model.life import Divergence, Life, differences
from model.model import Event, Key
from model.sequences import sequence
from model.workers import Service
from support import Database

from hookstream_keys.runtime.refusals import MAX_KEYS_OF_ORGANIZATION

#: Requests at a time.
THREADS = 4


class Run:
    """The life of sequence `number`, its progress, and its faults."""

    def __init__(self, service: Service, rules: type[Key], seed: int, number: int) -> None:
        self.title = f"seed {seed}, sequence {number}"
        self.number = number
        self.turns = sequence(seed, number)
        self.life = Life(service, rules, self.turns)
        self.wrong: str | None = None
        self._steps = self.life.run()

    def go(self) -> float | None:
        """Run until time has to pass: the seconds to wait, or None at the end."""
        try:
            return next(self._steps, None)
        except Divergence as divergence:
            self.wrong = str(divergence)
            return None
        except Exception as error:
            error.add_note("\n".join([self.title, *self.life.told]))
            raise


def play(runs: Iterable[Run]) -> list[Run]:
    """Run them all to their end."""
    schedule = _Schedule(runs)
    with ThreadPoolExecutor(THREADS) as pool:
        for thread in [pool.submit(schedule.work) for _ in range(THREADS)]:
            thread.result()
    return schedule.done


class _Schedule:
    """Which run is due: one that has waited long enough, or else a new one."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self.done: list[Run] = []
        self._new = iter(runs)
        self._waiting: list[tuple[float, int, Run]] = []
        self._order = itertools.count()
        self._lock = threading.Lock()

    def work(self) -> None:
        while (due := self._next()) is not None:
            when, run = due
            time.sleep(max(0, when - time.monotonic()))
            seconds = run.go()
            with self._lock:
                if seconds is None:
                    self.done.append(run)
                else:
                    entry = (time.monotonic() + seconds, next(self._order), run)
                    heapq.heappush(self._waiting, entry)

    def _next(self) -> tuple[float, Run] | None:
        with self._lock:
            moment = time.monotonic()
            if not self._waiting or self._waiting[0][0] > moment:
                new = next(self._new, None)
                if new is not None:
                    return moment, new
            if not self._waiting:
                # What others are running, they go on with.
                return None
            when, _, run = heapq.heappop(self._waiting)
            return when, run


def shorten(run: Run) -> None:
    """Find out which steps are enough for the run to go wrong, and how then."""
    turns, shortest = run.turns, None
    for place in reversed(range(1, len(run.turns))):
        fewer = turns[:place] + turns[place + 1 :]
        found = _wrong(Life(run.life.service, run.life.rules, fewer))
        if found is not None:
            turns, shortest = fewer, found
    if shortest is None:
        found = "No step can be left out, or it does not happen again."
    else:
        found = f"{len(turns)} of the {len(run.turns)} steps are enough:\n{shortest}"
    run.wrong = f"{run.title}, {len(run.turns)} steps:\n{run.wrong}\n{found}"


def _wrong(life: Life) -> str | None:
    try:
        for seconds in life.run():
            time.sleep(seconds)
    except Divergence as divergence:
        return str(divergence)
    return None


def compare_records(database: Database, runs: Iterable[Run]) -> None:
    """Find out where the database has not what the model counted. No server may be on it."""
    events, uses, refused = _events(database), _uses(database), _refused(database)
    for run in runs:
        if run.wrong:
            continue
        key, of_environment = run.life.key, run.life.environment_events
        wrong = list(differences({"audit log": key.events}, {"audit log": events[key.id]}))
        if of_environment:
            found = {"audit log": events[key.env_id]}
            wrong += differences({"audit log": of_environment}, found)
        unsaid = uses[key.id] - key.uses
        if not key.uses <= uses[key.id] or unsaid.total() != key.refused_unsaid or unsaid["VALID"]:
            wrong.append(f"usage: expected {key.uses}, recorded {uses[key.id]}")
        unused = Counter({code: times for code, times in uses[key.id].items() if code != "VALID"})
        # Of very many keys the attempts at some are not on record.
        on_record = refused.get(key.id, Counter())
        all_fit = len(refused) < MAX_KEYS_OF_ORGANIZATION
        if on_record != unused and (all_fit or not on_record <= unused):
            wrong.append(f"refusals: counted {unused}, on record {on_record}")
        if wrong:
            run.wrong = "\n".join([run.title, *run.life.told, *wrong])
        # It is not needed any more, and for thousands it is large.
        run.life.told.clear()


def _events(database: Database) -> dict[str, list[Event]]:
    """By what they are about, in their order."""
    found: dict[str, list[Event]] = defaultdict(list)
    for about, action, text in database.execute(
        "select resource_id, action, details from audit_log"
        " where action <> 'api_key.refused' order by seq"
    ):
        details = json.loads(text)
        found[about].append((action, details.get("rotation_id") or details.get("reason")))
    return found


def _uses(database: Database) -> dict[str, Counter[str]]:
    """By key, how often uses of it came to each code."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for key_id, code, count in database.execute("select key_id, outcome, count from key_usage"):
        found[key_id][code] = count
    return found


def _refused(database: Database) -> dict[str, Counter[str]]:
    """By key, how many refused attempts with each code are on record."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for key_id, text in database.execute(
        "select resource_id, details from audit_log where action = 'api_key.refused'"
    ):
        details = json.loads(text)
        found[key_id][details["reason"]] += details["count"]
    return found


def figures(runs: list[Run]) -> str:
    """What the runs were, in numbers."""
    events: Counter[str] = Counter()
    uses: Counter[str] = Counter()
    for run in runs:
        if run.life.is_begun:
            events.update(action for action, _ in run.life.key.events)
            uses.update(run.life.key.uses)
    steps = sum(len(run.turns) for run in runs)
    requests = sum(run.life.requests for run in runs)
    return (
        f"{len(runs)} sequences, {steps} steps, {requests} requests\n"
        f"uses: {_in_words(uses)}\nchanges: {_in_words(events)}"
    )


def _in_words(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())
