"""The rooms of the package and what they import, as CONTRIBUTING.md shows them.

`python tests/docs/rooms.py` prints the picture: each room, from the top down, with the rooms that
it imports. An arrow that goes up is marked.
"""

import sys
import tomllib
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
    arrows: dict[str, set[str]] = {room: set() for room in rooms}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            room, other = _room(module), _room(imported)
            if room in arrows and other in arrows and room != other:
                arrows[room].add(other)
    return "\n".join(f"{room:9}{_arrows(room, arrows[room], rooms)}".rstrip() for room in rooms)


def _arrows(room: str, imported: set[str], rooms: list[str]) -> str:
    place = rooms.index
    said = [
        f"{'▲ ' if place(other) < place(room) else ''}{other}"
        for other in sorted(imported, key=place)
    ]
    return f" → {', '.join(said)}" if said else ""


def _room(module: str) -> str:
    return f"{module}.".split(".")[1]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    print(picture())
