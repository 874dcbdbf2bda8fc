"""Power losses at thousands of moments, played back from what a server did to its disk.

A real server works for a while, under a library that writes down what it does to its files, with
what its clients were told in between. Then the folder is made as a power loss may leave it at any
of these moments, and opened with the product's own code: what had been acknowledged by then must
be there. `FAULTS_POINTS` says at how many, or `FAULTS_SECONDS` for how long; `FAULTS_SEED` from
which seed.
"""

import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from faults import playing, power, recording
from faults.recording import UNSAFE
from support import environment

SECONDS = float(os.environ.get("FAULTS_SECONDS") or 0)
POINTS = int(os.environ.get("FAULTS_POINTS") or SECONDS * 10 or 60)
SEED = int(os.environ.get("FAULTS_SEED") or secrets.randbelow(2**32))
IS_LONG = POINTS > 1000


def test_no_power_loss_loses_acknowledged_writes(
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
    tried, wrong = playing.play(tmp_path, made, rng, POINTS)
    with capsys.disabled():
        told = made.campaign.ledger.acknowledged
        size = made.log.stat().st_size >> 20
        print(f"\n{tried} power losses, seed {SEED}, {time.monotonic() - begun:.0f} s:")
        print(f"{len(wrong)} wrong, acknowledged {told}, {size} MiB of log")
    assert wrong == []


@pytest.mark.parametrize("synchronous", ["off", "normal"] if IS_LONG else ["off"])
def test_a_server_without_fsync_fails_the_test(tmp_path: Path, synchronous: str) -> None:
    rng = Random(1)  # noqa: S311 - see above
    made = recording.begin(tmp_path, rng, UNSAFE, UNSAFE_SYNCHRONOUS=synchronous)
    recording.work(made, 0.5, 1, kill=False)
    _, wrong = playing.play(tmp_path, made, rng, 60)
    assert any("NOT_FOUND" in each for each in wrong), wrong


def test_the_signing_secret_is_on_the_disk_before_it_is_used(tmp_path: Path) -> None:
    settings = recording.watched(tmp_path)
    code = (
        "from pathlib import Path; from hookstream_keys.settings import *;"
        "print(*signing_secrets(Settings(), Path('hookstream.db')))"
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
