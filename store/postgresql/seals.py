"""Seals of the log: the heads of all chains that have moved, in a chain that has moved as well.

A chain that is removed with its head leaves nothing that does not fit. So the chain of no
organization gets an event from time to time, which has a digest of the heads that have moved since
the one before, and those are kept.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hookstream_keys.store import chain
from hookstream_keys.store.postgresql.engine import PostgresqlEngine
from hookstream_keys.store.postgresql.session import Session
from hookstream_keys.store.records import AuditEvent, ChainFault
from hookstream_keys.store.sql.audit import insert_event

_LAST = """
    select created_at from audit_log where org_id = '' and action = ? order by seq desc limit 1
"""
_MOVED = """
    select h.org_id, h.seq, h.hash from audit_head h, audit_trunk t where h.org_id <> ''
    and h.seq > coalesce((select max(s.seq) from audit_seal s where s.org_id = h.org_id), t.seq)
    order by h.org_id
"""
_ADD = "insert into audit_seal (seal, org_id, seq, hash) values (?, ?, ?, ?)"

_SEALS = """
    select a.seq, a.id, a.details from audit_log a, audit_trunk t
    where a.org_id = '' and a.action = $1 and a.seq > t.seq order by a.seq
"""
_OF_SEAL = "select org_id, seq, hash from audit_seal where seal = $1 order by org_id"
#: Rows that were sealed, are not pruned, and are not there.
_MISSING = """
    select s.org_id, s.seq from audit_seal s left join audit_chain_anchor a on a.org_id = s.org_id
    where s.seq > coalesce(a.seq, 0) and not exists (
        select 1 from audit_log l where l.org_id = s.org_id and l.seq = s.seq and l.hash = s.hash)
    order by s.org_id, s.seq limit 1
"""


class Seals(PostgresqlEngine):
    """Sealing the chains."""

    async def seal_chains(
        self, before: str, recorded: Callable[[Mapping[str, Any]], AuditEvent]
    ) -> bool:
        """As `Store.seal_chains`."""
        if not await self._is_due(before):
            return False
        async with self.write_transaction("") as connection:
            # Another process may have been first.
            last = await connection.one(_LAST, (chain.SEALED,))
            heads = await connection.all(_MOVED)
            if not heads or (last is not None and last[0] >= before):
                return False
            event = recorded({"chains": len(heads), "sha256": _digest(heads)})
            await connection.change_many(_ADD, [(event.id, *head) for head in heads])
            await insert_event(connection, event)
        return True

    async def _is_due(self, before: str) -> bool:
        last = await self.one(_LAST, (chain.SEALED,))
        return last is None or last[0] < before


def check(database: Session) -> ChainFault | None:
    """The first sealed chain that is not as it was, in a transaction; None where all are."""
    for seq, event_id, details in database.all(_SEALS, chain.SEALED):
        told = chain.details_of(details).get("sha256")
        if _digest(database.all(_OF_SEAL, event_id)) != told:
            message = "the heads that were kept with this seal are not those that it was made of"
            return ChainFault("head", seq, event_id, message)
    missing = database.one(_MISSING)
    if missing is None:
        return None
    org_id, seq = missing
    message = f"a seal has this row of the chain of {org_id!a}, and the chain does not"
    return ChainFault("removed", seq, None, message)


def _digest(heads: Sequence[tuple[Any, ...]]) -> str:
    """SHA-256 over a line for each head."""
    digest = hashlib.sha256()
    for org_id, seq, entry_hash in heads:
        digest.update(f"{org_id} {seq} {entry_hash}\n".encode())
    return digest.hexdigest()
