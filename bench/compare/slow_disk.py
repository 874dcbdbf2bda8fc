"""What group commit is for: a disk whose fsync takes 5 ms longer, and more connections."""

import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from harness.disk import Disk
from harness.places import WORK
from harness.server import Sample, Server, medians, serving
from harness.system import Data

from compare import checks
from compare.options import Options
from compare.rounds import WARM_UP, say
from compare.table import Row

DELAY_MS = 5
CONNECTIONS = 64
#: This server, and what commits once a request.
_SYSTEMS = ("hookstream-keys", "bare")
#: Seconds for what wrk leaves behind, a request on each connection.
_SETTLING = 2

Found = dict[tuple[str, str], list[Sample]]


def run(options: Options, templates: dict[str, Data]) -> list[Row]:
    """Create keys here and at the bare one, and verify some meanwhile. Raises Unusable."""
    found: Found = defaultdict(list)
    systems = [system for system in options.systems if system.name in _SYSTEMS]
    for turn in range(options.rounds):
        for system in systems:
            data = templates[system.name].copy(WORK / "run")
            with serving(system, data, disk=Disk.at(data.folder, DELAY_MS)) as server:
                _turn(options, server, found)
            checks.count(server)
            say(f"slow disk, round {turn + 1} of {options.rounds}: {system.name} done")
    labels = {system.name: system.label for system in systems}
    return _rows({key: medians(samples) for key, samples in found.items()}, labels)


def _turn(options: Options, server: Server, found: Found) -> None:
    name = server.system.name
    verify = server.load("verify", connections=options.connections, seconds=options.seconds)
    create = server.load("create", connections=CONNECTIONS, seconds=options.seconds)
    server.drive(server.load("verify", seconds=WARM_UP))
    found["create", name].append(server.drive(create)[0])
    if name != _SYSTEMS[0]:
        return
    time.sleep(_SETTLING)
    found["verify", name].append(server.drive(verify)[0])
    with ThreadPoolExecutor(1) as other:
        meanwhile = other.submit(server.drive, create)
        found["verify while keys are created", name].append(server.drive(verify)[0])
        meanwhile.result()


def _rows(found: dict[tuple[str, str], Sample], labels: dict[str, str]) -> list[Row]:
    ours, bare = _SYSTEMS
    rows = []
    for (work, name), sample in sorted(found.items(), key=lambda item: item[0][0]):
        figure, value = "", None
        if (work, name) == ("create", bare) and ("create", ours) in found:
            figure = "create_slow_disk/bare"
            value = found["create", ours].per_second / sample.per_second
        if (work, name) == ("verify while keys are created", ours):
            figure, value = "verify_slow_disk_p99", sample.p99 / found["verify", ours].p99
        rows.append(
            Row(
                work=f"{work}, fsync +{DELAY_MS} ms{_connections(work)}",
                system=labels[name],
                sample=sample,
                # With two loads at once the CPU time of each is unknown.
                has_cpu=work != "verify while keys are created",
                figure=figure,
                value=value,
            )
        )
    return rows


def _connections(work: str) -> str:
    return f", {CONNECTIONS} connections" if work == "create" else ""
