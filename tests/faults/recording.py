"""A server at work on a disk that keeps a log, beside what its clients were told and when."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from faults import power
from faults.campaign import Campaign
from faults.ledger import Ledger, Step
from faults.processes import kill_group, wait_for
from support import COMMAND, Database, Tenant, programs, run

SOURCE = Path(__file__).with_name("disk_log.c")
#: Of every kind of step, what clients are told at least: a busy machine is slow.
ENOUGH = 5
UNSAFE = (sys.executable, str(Path(__file__).with_name("unsafe.py")))


class MarkedLedger(Ledger):
    """A ledger that is also written into the log: requests before, responses after."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = log

    def sent(self, step: Step) -> None:
        power.mark(self._log, json.dumps(["sent", step]))
        super().sent(step)

    def answered(self, step: Step, body: Any) -> None:
        super().answered(step, body)
        kept = body and {name: body[name] for name in ("id", "key") if name in body}
        power.mark(self._log, json.dumps(["answered", step, kept]))

    def given_up(self, step: Step) -> None:
        super().given_up(step)
        power.mark(self._log, json.dumps(["given_up", step]))

    def settle(self, codes: Mapping[str, str]) -> None:
        super().settle(codes)
        power.mark(self._log, json.dumps(["settle", codes]))


@dataclass
class Recording:
    """A folder with a database on which `campaign` works, and the log of all that happens to it."""

    folder: Path
    log: Path
    campaign: Campaign


def watched(base: Path) -> dict[str, str]:
    """Make a folder `disk`, and a log of it beside it: what a program needs to be told of them."""
    folder, log = base / "disk", base / "disk.log"
    folder.mkdir(parents=True)
    log.touch()
    return {
        "LD_PRELOAD": str(programs.library(SOURCE, base)),
        "FAULTS_DISK": str(folder),
        "FAULTS_DISK_LOG": str(log),
        # So that there is a file of it, which must not be lost either.
        "BETTER_AUTH_SECRET": "",
    }


def begin(base: Path, rng: Random, command: Sequence[str] = (COMMAND,), **more: str) -> Recording:
    """Make a folder, and in it a database by `init`, everything in the log."""
    settings = watched(base) | more
    folder, log = base / "disk", base / "disk.log"
    database = Database(folder / "hookstream.db")
    answer = run("init", "--json", database=database.path, **settings)
    power.mark(log, json.dumps(["begun"]))
    assert answer.returncode == 0, answer.stderr
    facts = json.loads(answer.stdout)
    del facts["key_prefix"]
    tenant = Tenant(**facts)
    ledger = MarkedLedger(log)
    campaign = Campaign(database, tenant, rng, ledger, command=command, settings=settings)
    return Recording(folder, log, campaign)


def work(recording: Recording, seconds: float, workers: int, *, kill: bool) -> None:
    """Start, look, let clients work for so long, and kill, or stop.

    Longer, where clients are told too little meanwhile.
    """
    campaign = recording.campaign
    told = campaign.ledger.acknowledged
    enough = {kind: count + ENOUGH for kind, count in told.items()}

    def end() -> None:
        wait_for(
            lambda: all(told[each] >= enough[each] for each in told), "clients get too little done"
        )
        if kill:
            kill_group(server)

    with campaign.served(workers) as server:
        campaign.look(server)
        campaign.work(server, seconds, end)
