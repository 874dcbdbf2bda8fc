"""One worker, two and four."""

from collections import defaultdict

from harness.places import WORK
from harness.server import Sample, medians, serving
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
    one, *several = (medians(found[number]) for number in _NUMBERS)
    return [
        Row(work="verify, 1 worker", system=ours.name, sample=one),
        *(
            Row(
                work=f"verify, {number} workers, the busiest did {sample.busiest:.0%}",
                system=ours.name,
                sample=sample,
                figure=f"cpu_of_{number}_workers",
                value=sample.cpu / one.cpu,
            )
            for number, sample in zip(_NUMBERS[1:], several, strict=True)
        ),
    ]
