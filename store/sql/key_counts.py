"""The quota of keys, whose count is cached: an environment may have thousands of them.

Every key that becomes usable, by a create, a change of its expiry or a restore, has an audit event
of its own; time only takes keys away. So since a count, an environment has got at most as many
usable keys as the audit log has got events, from any process. While that is within the quota,
nothing is counted again.

A count is of one history of the database. The hash of the event that was the last one tells whether
this is still that history: a rolled-back transaction, a restore and a sandbox's reset are another.
"""

from collections import OrderedDict

from hookstream_keys.domain.quotas import Quota
from hookstream_keys.domain.records import record
from hookstream_keys.store.errors import QuotaReached
from hookstream_keys.store.sql.connection import Connection, Value
from hookstream_keys.store.sql.key_class import CLASS

#: How many environments are remembered: those that keys were created in last.
MAX_REMEMBERED = 4096

#: Each range of an index counts at most `:most` rows: active keys without an expiry, disabled ones
#: without one, and keys that expire later.
_COUNT = f"""
    select (select count(*) from (
                select 1 from api_key indexed by api_key_env
                where env_id = :env_id and {CLASS} = 0 limit :most) as counted)
         + (select count(*) from (
                select 1 from api_key indexed by api_key_disabled
                where env_id = :env_id and revoked_at is null and enabled = 0
                  and expires_at is null limit :most) as counted)
         + (select count(*) from (
                select 1 from api_key indexed by api_key_expiring
                where env_id = :env_id and revoked_at is null and expires_at > :now
                limit :most) as counted)
"""  # noqa: S608 - constants


@record
class _Count:
    keys: int
    #: The position and hash of the audit log's last event when they were counted.
    seq: int
    entry_hash: bytes


class KeyCounts:
    """What this process has counted, by the environment. Used by one writing thread at a time."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    async def check(
        self, connection: Connection, org_id: str, env_id: str, now: str, quota: Quota | None
    ) -> None:
        """Raise QuotaReached where the environment has more usable keys than the quota, at `now`.

        In the transaction that has made one key usable, before its event.
        """
        if quota is None:
            return
        seq, entry_hash = await connection.chain_head(org_id)
        counted = self._counts.get(env_id)
        if counted is not None:
            # One more is the key whose event follows.
            is_within = counted.keys + (seq - counted.seq) + 1 <= quota.most
            if is_within:
                stored: str | None = entry_hash.hex()
                if seq != counted.seq:
                    # None where it was pruned, or is not reached: the keys are counted again.
                    stored = await connection.entry_hash(org_id, counted.seq)
                if stored == counted.entry_hash.hex():
                    return
        wanted: dict[str, Value] = {"env_id": env_id, "now": now, "most": quota.most + 1}
        (keys,) = await connection.row(_COUNT, wanted)
        self._remember(env_id, _Count(keys, seq, entry_hash))
        if keys > quota.most:
            raise QuotaReached(quota)

    def _remember(self, env_id: str, count: _Count) -> None:
        self._counts[env_id] = count
        self._counts.move_to_end(env_id)
        if len(self._counts) > MAX_REMEMBERED:
            self._counts.popitem(last=False)
