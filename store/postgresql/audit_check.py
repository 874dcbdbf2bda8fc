"""Checking the audit log: the trunk, and the chain of each organization that begins after it."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hookstream_keys.store import chain
from hookstream_keys.store.chain import Anchor
from hookstream_keys.store.postgresql import seals
from hookstream_keys.store.postgresql.engine import PostgresqlEngine
from hookstream_keys.store.postgresql.session import SNAPSHOT, Session, session
from hookstream_keys.store.records import ChainCheck, ChainFault, Progress

_COLUMNS = ", ".join(chain.COLUMNS)
# Constants; values are bound.
_ROWS = f"""
    select {_COLUMNS}, hash from audit_log where org_id = $1 and seq > $2 order by seq
"""  # noqa: S608
_ROWS_OF_TRUNK = f"select {_COLUMNS}, hash from audit_log where seq <= $1 order by seq"  # noqa: S608
_PRUNES = f"""
    select {_COLUMNS}, hash from audit_log where org_id = '' and action = $1 order by seq desc
"""  # noqa: S608
#: Every chain that has a head or a row, though one of them may have been removed.
_CHAINS = """
    select org_id from audit_head union select org_id from audit_chain_anchor
    union select distinct org_id from audit_log where seq > $1 order by org_id
"""
_HEAD = "select seq, hash from audit_head where org_id = $1"
_TRUNK = "select seq, hash from audit_trunk"
_ANCHOR = "select seq, hash from audit_anchor"
_CHAIN_ANCHORS = "select org_id, seq, hash from audit_chain_anchor order by org_id"
#: The digest of no chains.
_NO_CHAINS = hashlib.sha256().hexdigest()
_COUNT = "select count(*) from audit_log"
_HASHES = """
    select hash from audit_log where hash = any($1)
    union select hash from audit_anchor where hash = any($1)
    union select hash from audit_chain_anchor where hash = any($1)
"""


class AuditCheck(PostgresqlEngine):
    """The check, in one snapshot, on a connection of its own."""

    def check_audit_log(
        self,
        expected_head: str | None = None,
        *,
        archives: Sequence[Path] = (),
        progress: Progress | None = None,
    ) -> ChainCheck:
        """As `OperatorStore.check_audit_log`, for every chain; the first fault is returned.

        The head has that of each chain, as has `expected_head`: each must be in a chain. Archives
        are not read here.
        """
        del archives
        with session(self.url) as database:
            database.execute(SNAPSHOT)
            return check(database, expected_head, progress)


def check(
    database: Session, expected_head: str | None, progress: Progress | None = None
) -> ChainCheck:
    """`check_audit_log` in a transaction, of whose snapshot it is."""
    trunk, anchor = _only(database, _TRUNK), _only(database, _ANCHOR)
    if trunk is None or anchor is None or not _are_possible(trunk, anchor):
        message = "where the chains begin is gone or changed: audit_trunk, audit_anchor"
        return ChainCheck(0, chain.GENESIS.hex(), ChainFault("head", 0, None, message))
    is_recorded = _is_recorded(database, trunk, anchor)
    total = database.value(_COUNT)
    whole = ChainCheck(0, chain.GENESIS.hex(), None, anchor.seq)
    heads: list[str] = []
    if anchor.seq > 0 and not is_recorded:
        message = f"{chain.rows_are(1, anchor.seq)} missing, and no row says that they were pruned"
        return replace(whole, pruned=0, fault=ChainFault("removed", 1, None, message))
    for found in _chains(database, trunk, anchor, is_recorded=is_recorded):
        whole = replace(whole, rows=whole.rows + found.rows, fault=found.fault)
        if found.fault is not None:
            return whole
        if found.head != chain.GENESIS.hex():
            heads.append(found.head)
        if progress is not None:
            progress("audit log", whole.rows, total)
    fault = seals.check(database)
    if fault is not None:
        return replace(whole, fault=fault)
    if missing_heads(database, expected_head):
        return replace(whole, fault=chain.kept_head_is_missing(whole.seq, whole.pruned))
    return replace(whole, head=" ".join(dict.fromkeys(heads)) or whole.head)


def missing_heads(database: Session, expected_head: str | None) -> list[str]:
    """Those of the heads that no row has, and no pruned row that remaining rows continue."""
    expected = set((expected_head or "").split()) - {chain.GENESIS.hex()}
    known = {entry_hash for (entry_hash,) in database.all(_HASHES, expected)}
    return sorted(expected - known)


def anchors_digest(database: Session) -> str:
    """SHA-256 over where the chains begin, for the event of a prune.

    That of no line where no chain of an organization has pruned rows.
    """
    digest = hashlib.sha256()
    if database.value("select exists (select 1 from audit_chain_anchor)"):
        digest.update("trunk {} {}\n".format(*database.all(_TRUNK)[0]).encode())
    for org_id, seq, entry_hash in database.all(_CHAIN_ANCHORS):
        digest.update(f"{org_id} {seq} {entry_hash}\n".encode())
    return digest.hexdigest()


def _chains(
    database: Session, trunk: Anchor, anchor: Anchor, *, is_recorded: bool
) -> Iterator[ChainCheck]:
    """The check of each chain, the trunk first, whose anchor is recorded if it has one."""
    if trunk.seq > anchor.seq:

        def rows_of_trunk() -> Iterator[chain.Row]:
            return database.rows(_ROWS_OF_TRUNK, trunk.seq)

        yield chain.check(rows_of_trunk, (trunk.seq, trunk.hash), None, anchor, origin=anchor)
    begins = {org_id: Anchor(*at) for org_id, *at in database.all(_CHAIN_ANCHORS)}
    for (org_id,) in database.all(_CHAINS, trunk.seq):
        begin = begins.get(org_id, trunk)

        def rows(org_id: str = org_id, begin: Anchor = begin) -> Iterator[chain.Row]:
            return database.rows(_ROWS, org_id, begin.seq)

        head: Any = database.one(_HEAD, org_id)
        yield chain.check(rows, head, None, begin, origin=begin if is_recorded else trunk)


def _is_recorded(database: Session, trunk: Anchor, anchor: Anchor) -> bool:
    """Whether an event says that the log was pruned so far, and where its chains begin."""
    digest = anchors_digest(database)
    for row in database.all(_PRUNES, chain.PRUNED):
        told = chain.details(row)
        if row[0] <= trunk.seq:
            # From the database that was moved here, of whose rows the trunk has the rest. Where
            # that had chains as well, they are in the trunk now.
            is_it = digest == _NO_CHAINS and chain.covers(row, anchor)
        else:
            is_it = (told.get("chains"), told.get("through_seq"), told.get("hash")) == (
                digest,
                *anchor,
            )
        if is_it:
            return True
    return False


def _only(database: Session, query: str) -> Anchor | None:
    """`seq` and hash of a table's only row; None where it has none, or several."""
    rows = database.all(query)
    return Anchor(*rows[0]) if len(rows) == 1 else None


def _are_possible(trunk: Anchor, anchor: Anchor) -> bool:
    """Whether both are of a log: nothing has the hash of the beginning, and only that."""
    known = [trunk, anchor]
    if trunk.seq == anchor.seq and trunk != anchor:
        return False
    return all((each.seq == 0) == (each.hash == chain.GENESIS.hex()) for each in known)
