"""The instructions of a request of each work, of the systems that are written in Python."""

from harness.callgrind import instructions
from harness.places import WORK
from harness.system import Data

from compare.options import Options
from compare.rounds import say
from compare.table import Row

#: Node.js compiles while it runs, which callgrind does not follow.
_UNCOUNTED = {"better_auth"}


def run(options: Options, templates: dict[str, Data]) -> list[Row]:
    """Count them, once: they are the same each time. Raises Unusable."""
    found: dict[tuple[str, str], float] = {}
    systems = [each for each in options.systems if each.name not in _UNCOUNTED]
    for system in systems:
        counted = instructions(system, templates[system.name].copy(WORK / "run"))
        found |= {(work, system.name): number for work, number in counted.items()}
        say(f"instructions: {system.name} done")
    ours = options.systems[0]
    return [
        Row(
            work=f"{work.replace('_', ' ')}, one connection",
            system=system.label,
            instructions=found[work, system.name],
            figure=f"instructions_{work}/{system.name}",
            value=found[work, system.name] / found[work, ours.name],
        )
        for work in ours.works
        for system in systems
        if work in system.works
    ]
