"""Power losses at thousands of moments, played back from what a server did to its disk.

A real server works for a while, under a library that writes down what it does to its files, with
what its clients were told in between. Then the folder is made as a power loss may leave it at any
of these moments, and opened with the product's own code: what had been acknowledged by then must
be there. `FAULTS_POINTS` says at how many, or `FAULTS_SECONDS` for how long; `FAULTS_SEED` from
which seed.
"""

import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest
from faults import power, recording
from faults.campaign import Campaign
from faults.ledger import PENDING, Ledger, Step
from faults.recording import UNSAFE, Recording
from faults.records import faults
from support import Database, environment

from hookstream_keys import timestamps, verification
from hookstream_keys.store import Store, StoreError, open_store

SECONDS = float(os.environ.get("FAULTS_SECONDS") or 0)
POINTS = int(os.environ.get("FAULTS_POINTS") or SECONDS * 10 or 60)
SEED = int(os.environ.get("FAULTS_SEED") or secrets.randbelow(2**32))
IS_LONG = POINTS > 1000


@dataclass
class Moment:
    """When the power is lost: what clients had been told, and whether `init` was done."""

    place: int
    begun: bool
    ledger: Ledger
    disk: power.Disk


def moments(log: Path, rng: Random, points: int) -> Iterator[Moment]:
    """So many moments of the log, half of them just after a client was told something."""
    records = list(power.read(log))
    told = [
        place
        for place, record in enumerate(records)
        if record.kind == "M" and record.data.startswith(b'["answered"')
    ]
    places = rng.sample(range(len(records)), min(points // 2, len(records)))
    places += rng.choices(told, k=points - len(places))
    moment = Moment(0, begun=False, ledger=Ledger(), disk=power.Disk())
    wanted = sorted(places, reverse=True)
    for place, record in enumerate(records):
        moment.place = place
        if record.kind == "M":
            _happen(moment, json.loads(record.data))
        else:
            moment.disk.take(record)
        while wanted and wanted[-1] == place:
            wanted.pop()
            yield moment


def _happen(moment: Moment, mark: list[object]) -> None:
    what, *arguments = mark
    if what == "begun":
        moment.begun = True
    else:
        if what != "settle":
            arguments[0] = Step(*arguments[0])  # type: ignore[misc]
        getattr(moment.ledger, str(what))(*arguments)


def lost(moment: Moment, folder: Path, secret: bytes, first_key: str) -> list[str]:
    """What is wrong with what is left in `folder`, opened with the product's own code."""
    path = folder / "hookstream.db"
    try:
        with closing(open_store(f"sqlite:///{path}")) as store:
            store.migrate()
            return _wrong(moment, store, folder, secret, first_key)
    except (StoreError, sqlite3.Error) as error:
        return [f"cannot be opened: {error}"]


def _wrong(moment: Moment, store: Store, folder: Path, secret: bytes, first_key: str) -> list[str]:
    checked = store.check_audit_log()
    wrong = [] if checked.fault is None else [f"the audit log: {checked.fault}"]
    wrong += faults(folder / "hookstream.db")
    now = timestamps.to_text(timestamps.now())
    codes = {}
    for text in [*moment.ledger.secrets(), first_key]:
        found = verification.verify(store, text, verification.Use(now))
        codes[text] = PENDING if verification.activates(found) else found.code
    wrong += moment.ledger.wrong(codes)
    if moment.begun:
        if codes[first_key] != "VALID":
            wrong.append("the first key")
        if _content(folder / "hookstream.db.secret") != secret:
            wrong.append("the signing secret")
    return wrong


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def leave(folder: Path, files: dict[str, bytes]) -> None:
    """Make the folder have these files and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def play(base: Path, made: Recording, rng: Random, points: int) -> tuple[int, list[str]]:
    """Lose the power at so many moments. Returns how many were tried, and what was wrong."""
    secret = (made.folder / "hookstream.db.secret").read_bytes()
    tried, wrong = 0, []
    served = set(rng.sample(range(points), max(1, points // 250)))
    for moment in moments(made.log, rng, points):
        leave(base / "left", moment.disk.after_power_loss(rng))
        found = lost(moment, base / "left", secret, made.campaign.tenant.key)
        if tried in served and moment.begun and not found:
            found = _served(base / "left", made.campaign, moment)
        wrong += [f"at record {moment.place}: {each}" for each in found]
        tried += 1
    return tried, wrong


def _served(folder: Path, campaign: Campaign, moment: Moment) -> list[str]:
    """Look at what is left by a real server, which is asked again for what was not answered."""
    again = replace(
        campaign,
        database=Database(folder / "hookstream.db"),
        ledger=deepcopy(moment.ledger),
        head=None,
        settings={"BETTER_AUTH_SECRET": ""},
    )
    try:
        with again.served() as server:
            again.look(server)
    except AssertionError as error:
        return [str(error)]
    return []


def test_no_power_loss_takes_what_was_acknowledged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = time.monotonic()
    rng = Random(SEED)  # noqa: S311 - a test that can be repeated
    made = recording.begin(tmp_path, rng)
    recording.work(made, 4.0 if IS_LONG else 0.5, 1, kill=False)
    if IS_LONG:
        recording.work(made, 2.0, 2, kill=True)
        recording.work(made, 2.0, 1, kill=True)
        recording.work(made, 2.0, 2, kill=False)
    tried, wrong = play(tmp_path, made, rng, POINTS)
    with capsys.disabled():
        told = made.campaign.ledger.acknowledged
        size = made.log.stat().st_size >> 20
        print(f"\n{tried} power losses, seed {SEED}, {time.monotonic() - begun:.0f} s:")
        print(f"{len(wrong)} wrong, acknowledged {told}, {size} MiB of log")
    assert wrong == []
    assert min(told.values()) > 0, "the clients did too little"


@pytest.mark.parametrize("synchronous", ["off", "normal"] if IS_LONG else ["off"])
def test_a_server_that_does_not_wait_for_the_disk_is_found_out(
    tmp_path: Path, synchronous: str
) -> None:
    rng = Random(1)  # noqa: S311 - see above
    made = recording.begin(tmp_path, rng, UNSAFE, UNSAFE_SYNCHRONOUS=synchronous)
    recording.work(made, 0.5, 1, kill=False)
    _, wrong = play(tmp_path, made, rng, 20)
    assert any("NOT_FOUND" in each for each in wrong), wrong


def test_the_signing_secret_is_on_the_disk_before_it_is_used(tmp_path: Path) -> None:
    settings = recording.watched(tmp_path)
    code = (
        "from pathlib import Path; from hookstream_keys.settings import *;"
        "print(signing_secret(Settings(), Path('hookstream.db')))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path / "disk" / "hookstream.db", **settings),
        cwd=tmp_path / "disk",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    disk = power.Disk()
    for record in power.read(tmp_path / "disk.log"):
        disk.take(record)
    for seed in range(20):
        left = disk.after_power_loss(Random(seed))  # noqa: S311 - see above
        assert left["hookstream.db.secret"].decode() == told
