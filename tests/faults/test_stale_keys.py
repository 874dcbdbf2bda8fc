"""No key is used that another process has changed: each change is looked for once it is committed.

`FAULTS_CHANGES` says how many there are.
"""

import os
import subprocess
import sys
from pathlib import Path

from support import Database, url_of
from support.results import result_of

from hookstream_keys.domain import keys
from hookstream_keys.store import open_store

CHANGES = int(os.environ.get("FAULTS_CHANGES") or 2_000)

#: Commits a change for each line that it reads, and says so.
_CHANGER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("pragma synchronous = off")
for line in sys.stdin:
    connection.execute("update api_key set name = ?", (line.strip(),))
    print(line, end="", flush=True)
"""


def test_no_acknowledged_change_is_missed(tmp_path: Path) -> None:
    database = Database(tmp_path / "keys.db")
    tenant = database.init()
    digest = keys.digest(tenant.key)
    store = open_store(url_of(database.path))
    stale = 0
    with subprocess.Popen(
        [sys.executable, "-c", _CHANGER, database.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as changer:
        assert changer.stdin is not None
        assert changer.stdout is not None
        for number in range(CHANGES):
            print(number, file=changer.stdin, flush=True)
            assert changer.stdout.readline() == f"{number}\n"
            # Once as it was read, and once as it was remembered.
            for _ in range(2):
                found = result_of(store.find_key(digest))
                assert found is not None
                stale += found.name != str(number)
        changer.stdin.close()
    store.close()
    assert stale == 0
