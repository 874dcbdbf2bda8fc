"""The rooms of the package and what they import, as CONTRIBUTING.md shows them.

`python tests/docs/rooms.py` prints the picture: each room, from the top down, with the rooms that
it imports and how many imports there are. An arrow that goes up is marked.
"""

import sys
import tomllib
from collections import Counter
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
PACKAGE = "hookstream_keys"


def layers() -> list[str]:
    """The rooms from the top down, as `importlinter` holds them."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        (contract,) = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    found: list[str] = contract["layers"]
    return found


def picture() -> str:
    """A line for each room and its arrows."""
    rooms = layers()
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    arrows: dict[str, Counter[str]] = {room: Counter() for room in rooms}
    modules: Counter[str] = Counter()
    for module in graph.modules:
        room = _room(module)
        modules[room] += 1
        for imported in graph.find_modules_directly_imported_by(module):
            if room in arrows and _room(imported) in arrows and room != _room(imported):
                arrows[room][_room(imported)] += 1
    return "\n".join(
        f"{room:9} {modules[room]:3} modules" + _arrows(room, arrows[room], rooms) for room in rooms
    )


def _arrows(room: str, imported: Counter[str], rooms: list[str]) -> str:
    place = rooms.index
    said = [
        f"{'▲ ' if place(other) < place(room) else ''}{other} {imported[other]}"
        for other in sorted(imported, key=place)
    ]
    return f" → {', '.join(said)}" if said else ""


def _room(module: str) -> str:
    return f"{module}.".split(".")[1]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    print(picture())
