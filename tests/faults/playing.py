"""Opening what power losses left, at many moments of a recording, and holding it to the ledger."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from faults import power
from faults.campaign import Campaign
from faults.ledger import PENDING, Ledger, Step
from faults.recording import Recording
from faults.records import unmatched, unsound
from support import Database
from support.results import result_of

from hookstream_keys.auth import verification
from hookstream_keys.domain import keys, timestamps
from hookstream_keys.store import Store, StoreError, open_store


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
    """The faults of the database left in `folder`, opened with the product's own code."""
    path = folder / "hookstream.db"
    try:
        with closing(open_store(f"sqlite:///{path}")) as store:
            store.migrate()
            return _wrong(moment, store, folder, secret, first_key)
    except (StoreError, sqlite3.Error) as error:
        return [f"cannot be opened: {error}"]


def _wrong(moment: Moment, store: Store, folder: Path, secret: bytes, first_key: str) -> list[str]:
    damage = unsound(folder / "hookstream.db")
    if damage:
        return damage
    checked = store.check_audit_log()
    wrong = [] if checked.fault is None else [f"the audit log: {checked.fault}"]
    wrong += unmatched(folder / "hookstream.db")
    now = timestamps.to_text(timestamps.now())
    codes = {}
    for text in [*moment.ledger.secrets(), first_key]:
        found = result_of(verification.verify(store, keys.digest_of(text), verification.Use(now)))
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
        (folder / name).touch(0o600)
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
    """Check the remains with a real server; unanswered requests are repeated."""
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
