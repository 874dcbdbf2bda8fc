"""Random lives of keys on two workers, beside a model of the rules: no divergence.

The sequences are made by `random.Random` from a seed and their number, not by Hypothesis. What is
tested takes its time: an end that is a second away is waited for. Hypothesis runs one example
after the other and would wait thousands of times; these run beside each other, and wait while
others go on. What Hypothesis does better, making a failure short, is little work where a
sequence is a list of steps.

`MODEL_SEQUENCES` says how many, `MODEL_SEED` from which seed. Where the first is set it is a
campaign with a random seed; otherwise the sequences are the same each time.
"""

import itertools
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from model import campaign
from model.campaign import Run
from model.model import Code, Key, Rotation, Secret, Span, named
from model.workers import Answer, Headers, Service, two_workers
from support import Database, run

#: The same sequences in every run, so that a failure in CI is one anywhere.
USUAL_SEED = 20261124
IS_CAMPAIGN = "MODEL_SEQUENCES" in os.environ
SEQUENCES = int(os.environ.get("MODEL_SEQUENCES") or 300)
SEED = int(
    os.environ.get("MODEL_SEED") or (secrets.randbelow(2**32) if IS_CAMPAIGN else USUAL_SEED)
)

#: So many on one database, which is then read whole.
AT_ONCE = 1000
#: So many divergences are shown; more are no news.
ENOUGH = 3


def test_no_sequence_diverges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun = time.monotonic()
    runs: list[Run] = []
    for first in range(0, SEQUENCES, AT_ONCE):
        database = Database(tmp_path / f"from-{first}" / "hookstream.db")
        database.path.parent.mkdir()
        runs += play(database, range(first, min(first + AT_ONCE, SEQUENCES)))
    found = [each.wrong for each in runs if each.wrong]
    with capsys.disabled():
        seconds = time.monotonic() - begun
        print(f"\n{campaign.figures(runs)}\nseed {SEED}, {len(found)} wrong, {seconds:.0f} s")
    assert not found, "\n\n".join(found[:ENOUGH])


def play(database: Database, numbers: range) -> list[Run]:
    """Run these sequences on a new database, and compare what was recorded of them."""
    with two_workers(database) as service:
        runs = campaign.play(Run(service, Key, SEED, number) for number in numbers)
        for each in [each for each in runs if each.wrong][:ENOUGH]:
            campaign.shorten(each)
    campaign.compare_records(database, runs)
    # Whatever was done, the log tells the state that it came to.
    checked = run("audit", "verify", "--state", database=database.path)
    assert (checked.returncode, checked.stdout[:4]) == (0, "ok, "), checked
    assert "\nstate ok, " in checked.stdout
    assert "not checked" not in checked.stdout
    return runs


# Whether it would be noticed


class GraceFromRotation(Key):
    """The grace begins when the key is rotated."""

    def end_of_grace(self, rotation: Rotation, _: Span) -> Span:
        return super().end_of_grace(rotation, rotation.created)


class TwoPending(Key):
    """Another rotation leaves the pending one as it is."""

    def cancel_pending(self) -> None:
        pass


class NoWildcards(Key):
    """A scope covers itself only."""

    def covers(self, wanted: str) -> bool:
        return wanted in named(self.scopes)


class ActivatedByAnything(Key):
    """What is refused activates a rotation as well."""

    def used(self, secret: Secret, code: Code, when: Span) -> None:
        super().used(secret, code, when)
        if secret is self.pending:
            self.activate(secret, when)


class CancelledIsRecorded(Key):
    """Another rotation leaves a row of the one that it cancels."""

    def cancel_pending(self) -> None:
        if self.pending and self.pending.rotation:
            self.cancel(self.pending.rotation)


class RefusedIsUse(Key):
    """A use that is refused for its scopes counts as one."""

    def used(self, secret: Secret, code: Code, when: Span) -> None:
        super().used(secret, code, when)
        self.uses["VALID"] += code == "INSUFFICIENT_SCOPE"


@dataclass
class LateWorker(Service):
    """The second worker shows a key as it showed it the first time."""

    shown: dict[str, Answer] = field(default_factory=dict)

    def ask(
        self, worker: int, method: str, path: str, body: Any = None, headers: Headers | None = None
    ) -> Answer:
        answer = super().ask(worker, method, path, body, headers)
        if worker == 0 or method != "GET" or not path.startswith("/auth/api-keys/"):
            return answer
        return self.shown.setdefault(path, answer)._replace(when=answer.when)


WRONG = [
    GraceFromRotation,
    TwoPending,
    NoWildcards,
    ActivatedByAnything,
    CancelledIsRecorded,
    RefusedIsUse,
]
#: Within so many sequences each is found.
SOON = 25


def test_faults_are_detected_soon(database: Database) -> None:
    with two_workers(database) as service:
        late = LateWorker(**vars(service))
        wrong = {"late worker": (late, Key), **{each.__name__: (service, each) for each in WRONG}}
        runs = {
            name: [Run(*way, USUAL_SEED, number) for number in range(SOON)]
            for name, way in {"right": (service, Key), **wrong}.items()
        }
        campaign.play(itertools.chain(*runs.values()))
        first = next(each for each in runs["TwoPending"] if each.wrong)
        campaign.shorten(first)
    for name in {*runs} - {"late worker"}:
        campaign.compare_records(database, runs[name])
    found = {name: {each.number for each in done if each.wrong} for name, done in runs.items()}
    assert [name for name in wrong if not found[name] - found["right"]] == []
    assert first.wrong
    assert first.wrong.startswith(f"{first.title}, {len(first.turns)} steps:")
    assert "steps are enough" in first.wrong
