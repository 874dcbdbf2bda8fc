"""How long a verification takes with few keys, and with many."""

import statistics
from contextlib import ExitStack

from harness.places import WORK
from harness.server import serving

from cluster.postgresql import Cluster, name_of
from cluster.systems import OnPostgresql, moved, template

#: How many keys there are first; their secrets are known, and stay the only known ones.
FEW = 1_000
#: Of how many runs the median is taken.
_RUNS = 5

#: The indexes are built faster afterwards; references are those of the rows that are there.
_FILL = """
    set session_replication_role = replica;
    alter table api_key drop constraint api_key_digest_key;
    drop index {indexes};
    insert into api_key (id, digest, org_id, env_id, name, prefix, scopes, created_by, created_at)
    select 'ak_' || lpad(to_hex(n), 32, '0'), sha256(n::text::bytea), k.org_id, k.env_id,
           'Key ' || n, 'hs_live_' || lpad(to_hex(n % 65536), 4, '0'), '*', k.created_by,
           to_char(timestamptz '2024-01-01' + n * interval '1 millisecond',
                   'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    from generate_series(1, {count}) n, (select * from api_key order by id limit 1) k;
    alter table api_key add constraint api_key_digest_key unique (digest);
    {definitions}
"""
#: The indexes that are of no constraint, as PostgreSQL keeps them.
_INDEXES = """
    select string_agg({column}, '{between}' order by indexname) from pg_indexes
    where tablename = 'api_key' and indexname not in ('api_key_pkey', 'api_key_digest_key')
"""


def latencies(count: int, seconds: int, database: Cluster) -> tuple[float, float]:
    """The median latency of a verification on 16 connections, with FEW keys and with `count`.

    In seconds, of runs of so many seconds. The two are measured in turns: a machine's speed can
    change by more than what is looked for in the time that it takes to make the many.
    """
    few = template(FEW)
    url = moved(few, database)
    many = database.new(name_of(url))
    _fill(name_of(many), count - FEW, database)
    found: dict[str, list[float]] = {url: [], many: []}
    with ExitStack() as stack:
        servers = {
            each: stack.enter_context(serving(OnPostgresql(each), few.copy(WORK / f"run-{number}")))
            for number, each in enumerate(found)
        }
        for server in servers.values():
            server.drive(server.load("verify", seconds=1))
        for _ in range(_RUNS):
            for each, server in servers.items():
                load = server.load("verify", connections=16, seconds=seconds)
                found[each].append(server.drive(load)[0].p50)
    for each in found:
        database.drop(each)
    return statistics.median(found[url]), statistics.median(found[many])


def _fill(name: str, count: int, database: Cluster) -> None:
    """Have so many more keys in a database."""
    indexes = database.sql(_INDEXES.format(column="indexname", between=", "), name)
    definitions = database.sql(_INDEXES.format(column="indexdef", between="; "), name)
    database.sql(_FILL.format(count=count, indexes=indexes, definitions=definitions), name)
    database.sql("vacuum (analyze) api_key", name)
    # So that no run pays for what was just written.
    database.sql("checkpoint", name)
