"""One worker and two."""

from collections import defaultdict

from harness.places import WORK
from harness.server import Sample, medians, serving
from harness.system import Data

from compare.options import Options
from compare.rounds import WARM_UP, say
from compare.table import Row

_NUMBERS = (1, 2)


def run(options: Options, templates: dict[str, Data]) -> list[Row]:
    """Verify keys at this server with one worker and with two. Raises Unusable."""
    ours = options.systems[0]
    found: dict[int, list[Sample]] = defaultdict(list)
    for turn in range(options.rounds):
        for number in _NUMBERS:
            data = templates[ours.name].copy(WORK / "run")
            with serving(ours, data, workers=number) as server:
                server.drive(server.load("verify", seconds=WARM_UP))
                load = server.load(
                    "verify", connections=options.connections, seconds=options.seconds
                )
                found[number].append(server.drive(load)[0])
        say(f"workers: round {turn + 1} of {options.rounds} done")
    one, two = (medians(found[number]) for number in _NUMBERS)
    return [
        Row(work="verify, 1 worker", system=ours.name, sample=one),
        Row(
            work=f"verify, 2 workers, the busier did {two.busiest:.0%}",
            system=ours.name,
            sample=two,
            figure="two_workers",
            value=2 * one.cpu / two.cpu,
        ),
    ]
