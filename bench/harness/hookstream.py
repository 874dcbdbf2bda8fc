"""hookstream-keys, and a database of its that others are compared on, too."""

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import ClassVar

from harness.places import COMMAND
from harness.programs import run
from harness.system import Data, Launch, System
from hookstream_keys.domain import ids, keys, timestamps

#: More than SQLite would keep in memory by itself, in KiB: for inserting in random order.
_SEED_CACHE = 4 * 1024 * 1024

# The secrets of these are not used, so their digests are random.
_MANY = """
    with recursive number (n) as (select 0 union all select n + 1 from number where n + 1 < :count)
    insert into api_key (id, digest, org_id, env_id, name, prefix, scopes, created_by, created_at)
    select 'ak_' || lower(hex(randomblob(16))), randomblob(32), :org, :env, 'Key ' || n,
           'hs_live_' || lower(hex(randomblob(2))), '*', :by,
           strftime('%Y-%m-%dT%H:%M:%fZ', '2024-01-01', (n * 0.001) || ' seconds')
    from number
"""
_KNOWN = """
    insert into api_key (id, digest, org_id, env_id, name, prefix, scopes, created_by, created_at)
    values (?, ?, ?, ?, 'Known key', ?, '*', ?, ?)
"""


#: Settings for no limit on requests at all.
NO_LIMITS = {"HOOKSTREAM_RATE_LIMIT": "off", "HOOKSTREAM_VERIFICATION_RATE_LIMIT": "off"}


class Hookstream(System):
    """The service as it is installed: with its log, and limits, which no load here reaches."""

    name = "hookstream-keys"
    label = "hookstream-keys"
    speaks = "hookstream"
    works = ("verify", "authorize", "create")
    table = "api_key"
    ready_path = "/v1/health/ready"
    has_audit_log = True

    def seed(self, data: Data, count: int) -> None:
        """Make a database with a tenant, and so many keys of its environment, all known."""
        seed(data, count, known=count)

    def launch(self, data: Data, port: int, workers: int = 1) -> Launch:
        """How to start it."""
        return Launch(
            (COMMAND, "serve", "--port", str(port), "--workers", str(workers)), settings(data)
        )

    def versions(self) -> dict[str, str]:
        """What it is made of."""
        parts = ("hookstream-keys", "connexion", "Flask", "starlette", "uvicorn", "uvloop")
        return {part: metadata.version(part) for part in (*parts, "httptools", "orjson")}


class WithoutLimits(Hookstream):
    """The service without limits on requests, which its peers have not, either."""

    #: Settings besides its usual ones.
    without: ClassVar[Mapping[str, str]] = NO_LIMITS

    def launch(self, data: Data, port: int, workers: int = 1) -> Launch:
        """How to start it."""
        usual = super().launch(data, port, workers)
        return Launch(usual.command, {**usual.environment, **self.without})


class WithoutLogAndLimits(WithoutLimits):
    """That, without a line in the log for each request."""

    name = "hookstream-keys-bare"
    label = "hookstream-keys, no log, no limits"
    without: ClassVar[Mapping[str, str]] = {**NO_LIMITS, "HOOKSTREAM_LOG_LEVEL": "warning"}


def settings(data: Data) -> dict[str, str]:
    """The settings that this server runs with here; README.md says why."""
    return {
        "HOOKSTREAM_DATABASE": f"sqlite:///{data.database}",
        # Every request is counted for its limit, and none is refused.
        "HOOKSTREAM_RATE_LIMIT": "1000000000",
        "HOOKSTREAM_VERIFICATION_RATE_LIMIT": "1000000000",
        # The load creates more keys than a tenant may have.
        "HOOKSTREAM_MAX_KEYS_PER_ENVIRONMENT": "1000000000",
    }


def command(data: Data, *arguments: str) -> str:
    """What a command prints that is run on the database. Raises Unusable when it fails."""
    return run(COMMAND, *arguments, env={**os.environ, **settings(data)})


def seed(data: Data, count: int, known: int) -> None:
    """Make a database with `count` keys besides the first, of which `known` have known secrets."""
    tenant = json.loads(command(data, "init", "--json"))
    own = (tenant["org_id"], tenant["env_id"], tenant["user_id"])
    made = [(ids.new("ak"), keys.generate("live")) for _ in range(known)]
    now = timestamps.to_text(timestamps.now())
    with closing(open_quickly(data.database)) as connection:
        with connection:
            indexes = drop_indexes(connection, "api_key")
            if count > known:
                owner = dict(zip(("org", "env", "by"), own, strict=True))
                connection.execute(_MANY, {"count": count - known, **owner})
            org, env, by = own
            connection.executemany(
                _KNOWN,
                [(key_id, new.digest, org, env, new.prefix, by, now) for key_id, new in made],
            )
            for sql in indexes:
                connection.execute(sql)
        connection.execute("pragma journal_mode = wal")
    data.write(
        [(key_id, new.secret) for key_id, new in made],
        BENCH_CALLER=tenant["key"],
        BENCH_ORG=tenant["org_id"],
        BENCH_ENV=tenant["env_id"],
        BENCH_CURSOR="",
    )


def open_quickly(database: Path) -> sqlite3.Connection:
    """A connection that is fast because nothing is lost when the machine stops: seed again."""
    connection = sqlite3.connect(database)
    connection.execute("pragma journal_mode = off")
    connection.execute("pragma synchronous = off")
    connection.execute(f"pragma cache_size = -{_SEED_CACHE}")
    return connection


def drop_indexes(connection: sqlite3.Connection, table: str) -> list[str]:
    """Drop the table's indexes, which are built faster afterwards. Returns what makes them."""
    found = connection.execute(
        "select name, sql from sqlite_master"
        " where type = 'index' and tbl_name = ? and sql is not null",
        (table,),
    ).fetchall()
    for name, _ in found:
        connection.execute(f'drop index "{name}"')
    return [sql for _, sql in found]
