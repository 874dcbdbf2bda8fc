"""Before anything is timed: that wrong answers are seen, and that what is stored is on the disk."""

import json
from pathlib import Path

from harness.disk import Disk
from harness.hookstream import command
from harness.programs import Unusable
from harness.server import Server, serving
from harness.system import Data, System
from harness.wrk import Outcome, WrongAnswer

#: What is changed of a credential to make it a wrong one.
_OTHER = {"0": "1"}

_CREDENTIALS: tuple[str, ...] = ("BENCH_CALLER", "BENCH_COOKIE")

_CONNECTIONS = 16


def check(system: System, data: Data) -> dict[str, float]:
    """Check a system on its data, a second a check. Raises Unusable.

    Returns for each of its works how often it waits for the disk for a request.
    """
    if data.journal_mode() != "wal":
        raise Unusable(f"{system.name} does not keep a write-ahead log")
    fsyncs: dict[str, float] = {}
    disk = Disk.at(data.folder)
    with serving(system, data, disk=disk) as server:
        for work in system.works:
            before = disk.fsyncs()
            _, outcome = server.drive(server.load(work, seconds=1))
            fsyncs[work] = (disk.fsyncs() - before) / outcome.requests
            if work.startswith("create"):
                _created_keys_are_valid(server, outcome)
                # A commit covers at most what is under way at once.
                if fsyncs[work] < 1 / _CONNECTIONS:
                    raise Unusable(f"{system.name} answers {work} before it is on the disk")
            _wrong_answers_are_seen(server, work)
    count(server)
    return fsyncs


def count(server: Server) -> None:
    """Compare the keys in the database of a server that has stopped with what it answered.

    Raises Unusable when there are fewer than it said, or more than were under way, or
    when the audit log is not what it should be.
    """
    system, data = server.system, server.data
    before = int(data.facts()["BENCH_ROWS"])
    added = data.count(system.table) - before
    if not server.created <= added <= server.created_at_most:
        raise Unusable(f"{system.name} answered that it made {server.created} keys, made {added}")
    if system.has_audit_log:
        command(data, "audit", "verify")


def remember_rows(system: System, data: Data) -> None:
    """Write down how many keys there are to begin with."""
    facts = data.facts() | {"BENCH_ROWS": str(data.count(system.table))}
    (data.folder / "facts.json").write_text(json.dumps(facts), "utf-8")


def _created_keys_are_valid(server: Server, outcome: Outcome) -> None:
    file = server.data.folder / "created.txt"
    file.write_text("".join(f"{line}\n" for line in outcome.created), "utf-8")
    server.drive(server.load("verify", seconds=1, keys=file))


def _wrong_answers_are_seen(server: Server, work: str) -> None:
    """Send an invalid credential: the run must fail, or the check is ineffective."""
    key_id, secret = server.data.keys.read_text("utf-8").splitlines()[0].split()
    file = Path(server.data.folder, "wrong.txt")
    file.write_text(f"{key_id} {_spoilt(secret)}\n", "utf-8")
    facts = server.data.facts()
    wrong = {name: _spoilt(facts[name]) for name in _CREDENTIALS if name in facts}
    try:
        if work in ("verify", "authorize"):
            server.drive(server.load(work, seconds=1, keys=file))
        else:
            server.drive(server.load(work, seconds=1, facts=wrong))
    except WrongAnswer:
        return
    raise Unusable(f"{server.system.name} {work}: a wrong credential was not noticed")


def _spoilt(secret: str) -> str:
    # Not the last characters: of base64 the last one may hold bits that mean nothing.
    place = len(secret) // 2
    return secret[:place] + _OTHER.get(secret[place], "0") + secret[place + 1 :]
