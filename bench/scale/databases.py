"""Databases of this server with many keys, made once and kept."""

import sqlite3
import sys
from contextlib import closing

from harness.hookstream import command, seed
from harness.places import WORK
from harness.system import Data

from hookstream_keys.domain import cursors

#: Of how many keys the secrets are known: enough that they lie on pages of their own.
KNOWN = 20_000
#: What is created in a run must not count: smaller databases are copied for each run.
_LARGE = 10_000_000
_CHUNK = 16 * 1024 * 1024

PAGE_SIZE, DEEP_PAGE = 100, 10_000


def database(size: int) -> Data:
    """The database with so many keys, made where it is not there. Raises Unusable."""
    data = Data(WORK / "scale" / str(size))
    if (data.folder / "facts.json").exists():
        command(data, "init")  # The code may have come to want another schema.
    else:
        print(f"making {size:,} keys", file=sys.stderr, flush=True)
        seed(data.empty(), size, known=min(size, KNOWN))
    return data


def to_write_into(data: Data, size: int) -> Data:
    """The database as a run may change it: a copy, or itself where a run is but a drop.

    Either is in the system's memory afterwards, as far as it fits.
    """
    if size < _LARGE:
        return data.copy(WORK / "run")
    with data.database.open("rb") as file:
        while file.read(_CHUNK):
            pass
    return data


def cursor_of_deep_page(data: Data) -> str | None:
    """What asks for page DEEP_PAGE of the list of keys, where it has so many."""
    with closing(sqlite3.connect(data.database)) as connection:
        row = connection.execute(
            "select created_at, id from api_key where org_id = ? and env_id = ?"
            " order by created_at desc, id desc limit 1 offset ?",
            (data.facts()["BENCH_ORG"], data.facts()["BENCH_ENV"], PAGE_SIZE * (DEEP_PAGE - 1) - 1),
        ).fetchone()
    return cursors.encode(*row) if row else None
