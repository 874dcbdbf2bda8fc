"""How long a verification takes with few keys, and with many."""

from harness.places import WORK
from harness.server import serving
from harness.system import Data

from cluster.measure import OnPostgresql, moved, template
from cluster.postgresql import Cluster, name_of

#: How many keys there are first; their secrets are known, and stay the only known ones.
FEW = 1_000
#: Of how many runs the median is taken.
_RUNS = 3

#: The indexes are built faster afterwards; references are those of the rows that are there.
_FILL = """
    set session_replication_role = replica;
    alter table api_key drop constraint api_key_digest_key;
    drop index api_key_env, api_key_org, api_key_name, api_key_created_by;
    insert into api_key (id, digest, org_id, env_id, name, prefix, scopes, created_by, created_at)
    select 'ak_' || lpad(to_hex(n), 32, '0'), sha256(n::text::bytea), k.org_id, k.env_id,
           'Key ' || n, 'hs_live_' || lpad(to_hex(n % 65536), 4, '0'), '*', k.created_by,
           to_char(timestamptz '2024-01-01' + n * interval '1 millisecond',
                   'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    from generate_series(1, {count}) n, (select * from api_key order by id limit 1) k;
    alter table api_key add constraint api_key_digest_key unique (digest);
    create index api_key_env on api_key (env_id, key_class, created_at, id);
    create index api_key_org on api_key (org_id, key_class, created_at, id);
    create index api_key_name on api_key (org_id, name, created_at, id);
    create index api_key_created_by on api_key (created_by, org_id, created_at, id)
        where created_by is not null
"""


def latencies(count: int, seconds: int, database: Cluster) -> tuple[float, float]:
    """The median latency of a verification on 16 connections, with FEW keys and with `count`.

    In seconds, of runs of so many seconds.
    """
    few = template(FEW)
    url = moved(few, database)
    before = _median(url, few, seconds)
    name = name_of(url)
    database.sql(_FILL.format(count=count - FEW), name)
    database.sql("vacuum (analyze) api_key", name)
    # So that no run pays for what was just written.
    database.sql("checkpoint", name)
    after = _median(url, few, seconds)
    database.drop(url)
    return before, after


def _median(url: str, data: Data, seconds: int) -> float:
    with serving(OnPostgresql(url), data.copy(WORK / "run")) as server:
        server.drive(server.load("verify", seconds=1))
        found = [
            server.drive(server.load("verify", connections=16, seconds=seconds))[0].p50
            for _ in range(_RUNS)
        ]
    return sorted(found)[_RUNS // 2]
