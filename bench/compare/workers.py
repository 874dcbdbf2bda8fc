"""One worker, two and four."""

from collections import defaultdict

from harness.places import WORK
from harness.server import Sample, medians, ratio, serving
from harness.system import Data

from compare.options import Options
from compare.rounds import WARM_UP, say
from compare.table import Row

_NUMBERS = (1, 2, 4)


def run(options: Options, templates: dict[str, Data]) -> list[Row]:
    """Verify keys at this server with each number of workers. Raises Unusable."""
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
    medians_of = {number: medians(several) for number, several in found.items()}
    one, *others = _NUMBERS
    return [
        Row(work="verify, 1 worker", system=ours.name, sample=medians_of[one]),
        *(
            Row(
                work=f"verify, {number} workers, the busiest did {medians_of[number].busiest:.0%}",
                system=ours.name,
                sample=medians_of[number],
                figure=f"cpu_of_{number}_workers",
                value=ratio(found[number], found[one], "cpu"),
            )
            for number in others
        ),
    ]
