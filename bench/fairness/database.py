"""The database with both tenants, made once and kept."""

import hashlib
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from harness.hookstream import command, drop_indexes, open_quickly
from harness.places import WORK
from harness.system import Data

from fairness import audit_rows, rows, tenant
from fairness.tenant import Sizes
from hookstream_keys.store.sqlite.migrations import migrations

_MODULES = (audit_rows, rows, tenant)


def database(sizes: Sizes) -> Data:
    """The database of these sizes, made if there is none or an older one. Raises Unusable.

    The light tenant is the one that `init` creates, with one key; the heavy one has the rest.
    """
    data = Data(WORK / "fairness" / str(sizes.keys))
    made_of, wanted = data.folder / "made-of", _made_of(sizes)
    if made_of.exists() and made_of.read_text("utf-8") == wanted:
        return data
    print(f"making {sizes.keys:,} keys and as many audit rows", file=sys.stderr, flush=True)
    light = json.loads(command(data.empty(), "init", "--json"))
    with closing(open_quickly(data.database)) as connection:
        (key_id,) = connection.execute("select id from api_key").fetchone()
        with connection:
            indexes = drop_indexes(connection, "api_key")
            rows.insert(connection, sizes)
            for sql in indexes:
                connection.execute(sql)
            audit_rows.insert(connection, sizes.audit_rows)
        connection.execute("pragma journal_mode = wal")
    command(data, "audit", "verify")
    data.write(
        [(key_id, light["key"])],
        BENCH_CALLER=light["key"],
        BENCH_ORG=light["org_id"],
        BENCH_ENV=light["env_id"],
    )
    made_of.write_text(wanted, "utf-8")
    return data


def copy_for_a_round(data: Data) -> Data:
    """A copy that requests may change, with sessions that have just begun."""
    copied = data.copy(WORK / "run")
    with closing(sqlite3.connect(copied.database)) as connection, connection:
        rows.insert_sessions(connection)
    return copied


def _made_of(sizes: Sizes) -> str:
    """What another database follows from: the migrations, the sizes, and how rows are made."""
    sources = b"".join(Path(module.__file__ or "").read_bytes() for module in _MODULES)
    names = " ".join(migration.name for migration in migrations._migrations)
    return f"{names}\n{sizes.keys}\n{hashlib.sha256(sources).hexdigest()}\n"
