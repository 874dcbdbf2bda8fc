"""Our own application on several web servers, without our lines in the log."""

from collections import defaultdict

from harness.asgi_servers import SERVERS
from harness.places import WORK
from harness.server import Sample, medians, serving
from harness.system import Data

from compare.options import Options
from compare.rounds import WARM_UP, say
from compare.table import Row

_WORK = "verify, no log"


def run(options: Options, templates: dict[str, Data]) -> list[Row]:
    """Verify keys at this application on each web server, in turn. Raises Unusable."""
    ours = options.systems[0]
    for system in SERVERS:
        system.install()
    found: dict[str, list[Sample]] = defaultdict(list)
    for turn in range(options.rounds):
        for system in SERVERS:
            data = templates[ours.name].copy(WORK / "run")
            with serving(system, data) as server:
                server.drive(server.load("verify", seconds=WARM_UP))
                load = server.load(
                    "verify", connections=options.connections, seconds=options.seconds
                )
                found[system.name].append(server.drive(load)[0])
        say(f"web servers: round {turn + 1} of {options.rounds} done")
    own, *others = (medians(found[system.name]) for system in SERVERS)
    rows = [Row(work=_WORK, system=SERVERS[0].label, sample=own)]
    return rows + [
        Row(
            work=_WORK,
            system=system.label,
            sample=sample,
            value=own.per_second / sample.per_second,
        )
        for system, sample in zip(SERVERS[1:], others, strict=True)
    ]
