"""`kill -9` at random moments: of everything, and of one worker while the others go on.

Every cycle starts the server on the database of the one before, looks at all that was ever
acknowledged, lets clients work, and kills. `FAULTS_CYCLES` or `FAULTS_SECONDS` says for how long,
`FAULTS_SEED` from which seed; without them it is a few cycles.
"""

import os
import secrets
import threading
import time
from pathlib import Path
from random import Random

import pytest
from faults.campaign import Campaign
from faults.clients import Client
from faults.ledger import Step
from faults.load import Load, working
from faults.processes import DEADLINE_SECONDS, kill_group, kill_worker, wait_for, workers
from support import Database, Server

SECONDS = float(os.environ.get("FAULTS_SECONDS") or 0)
CYCLES = int(os.environ.get("FAULTS_CYCLES") or (0 if SECONDS else 2))
SEED = int(os.environ.get("FAULTS_SEED") or secrets.randbelow(2**32))

#: So many go on with one database; all of it is read each time, and so they would take longer and
#: longer.
PER_DATABASE = 100
KINDS = ("worker", "answer", "group")

#: Clients work so long before the kill, in seconds, at most.
LONGEST = 0.6


class Killing(Campaign):
    """A campaign of kills."""

    def cycle(self, kind: str) -> None:
        """Start, look, work, kill."""
        self.counts[kind] += 1
        several = kind == "worker" or self.rng.random() < 0.5
        with self.served(workers=2 if several else 1) as server:
            self.look(server)
            load = Load(self.ledger, threading.Event(), [])
            with working(server, self.tenant, load, self.rng):
                if kind == "answer":
                    self._kill_at_an_answer(server, load)
                    return
                time.sleep(self.rng.uniform(0.02, LONGEST))
                if kind == "worker":
                    self._lose_a_worker(server)
                    time.sleep(self.rng.uniform(0.0, LONGEST))
                kill_group(server)

    def _kill_at_an_answer(self, server: Server, load: Load) -> None:
        """Kill when a client has just been answered, as near to it as can be."""
        answered, left = threading.Event(), self.rng.randrange(1, 60)

        def count(_: Step) -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                answered.set()

        load.when_answered = count
        assert answered.wait(timeout=DEADLINE_SECONDS)
        kill_group(server)

    def _lose_a_worker(self, server: Server) -> None:
        """Kill one: the others answer until there is a new one, and after."""
        before = workers(server)
        lost = self.rng.choice(sorted(before))
        kill_worker(lost)

        def is_replaced() -> bool:
            assert server.request("GET", "/health").status_code == 200
            self.counts["answers beside a dead worker"] += 1
            return len(workers(server) - {lost}) == len(before)

        wait_for(is_replaced, "the worker was not replaced")


def test_no_kill_loses_acknowledged_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = Random(SEED)  # noqa: S311 - a test that can be repeated
    begun, done = time.monotonic(), 0
    while done < CYCLES or time.monotonic() < begun + SECONDS:
        database = Database(tmp_path / f"after-{done}" / "hookstream.db")
        database.path.parent.mkdir()
        campaign = Killing(database, database.init(), rng)
        for cycle in range(done, done + PER_DATABASE):
            if cycle >= CYCLES and time.monotonic() >= begun + SECONDS:
                break
            _cycle(campaign, cycle)
            done = cycle + 1
        with campaign.served(workers=1) as server:
            campaign.look(server)
        with capsys.disabled():
            told = campaign.ledger.acknowledged
            print(f"\n{done} kill cycles, seed {SEED}, {time.monotonic() - begun:.0f} s:")
            print(f"acknowledged {told}\n{dict(campaign.counts)}")
        assert min(told.values()) > 0, "the clients did too little"


def _cycle(campaign: Killing, number: int) -> None:
    try:
        campaign.cycle(KINDS[number % len(KINDS)])
    except BaseException as error:
        error.add_note(f"in cycle {number} of seed {SEED}")
        raise


#: A key that is invalid, one that is valid again, a secret that was lost, and half of a create;
#: how to undo it, and the expected report.
DAMAGES = [
    ("update api_key set enabled = 0 where name = 'plain'", "update api_key set enabled = 1",
     "plain [(]"),
    ("update api_key set revoked_at = null", "update api_key set revoked_at = (select created_at"
     " from audit_log where resource_id = api_key.id and action = 'api_key.revoked')",
     "revoked [(]"),
    ("update rotation set state = 'cancelled'", "update rotation set state = 'pending'",
     "rotated [(]"),
    ("insert into receipt select randomblob(32), fingerprint, sealed, '9' from receipt limit 1",
     "delete from receipt where created_at = '9'", "idempotency records"),
]  # fmt: skip


def test_the_damage_a_kill_could_do_is_detected(database: Database) -> None:
    campaign = Campaign(database, database.init(), Random(1))  # noqa: S311 - see above
    steps = [Step("create", name, f"once-and-only-{name}") for name in ("plain", "revoked")]
    steps += [Step("create", "rotated", "once-and-only-new"), Step("revoke", "revoked")]
    steps += [Step("rotate", "rotated", "once-and-only-again")]
    with campaign.served(workers=1) as server:
        client = Client(server, campaign.tenant)
        for step in steps:
            campaign.ledger.sent(step)
            campaign.ledger.answered(step, client.take(step, campaign.ledger))
        client.close()
        campaign.look(server)
        for damage, repair, words in DAMAGES:
            database.execute(damage)
            with pytest.raises(AssertionError, match=words):
                campaign.look(server)
            database.execute(repair)
        campaign.look(server)
