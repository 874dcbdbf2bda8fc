"""Checking the chains of the audit log: one for each organization."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import asyncpg

from hookstream_keys.store import chain
from hookstream_keys.store.errors import ArchiveRefused
from hookstream_keys.store.postgresql import background
from hookstream_keys.store.postgresql.engine import PostgresqlEngine
from hookstream_keys.store.postgresql.errors import translating
from hookstream_keys.store.records import ChainCheck, Progress

_COLUMNS = ", ".join(chain.COLUMNS)
_ROWS = f"""
    select {_COLUMNS}, hash from audit_log where org_id = $1 and seq > $2 order by seq limit $3
"""  # noqa: S608 - constants
#: Every chain that has a head or a row, though one of them may have been removed.
_CHAINS = """
    select org_id from audit_head union select org_id from audit_anchor
    union select distinct org_id from audit_log order by org_id
"""
_HEAD = "select seq, hash from audit_head where org_id = $1"
_ANCHOR = "select seq, hash from audit_anchor where org_id = $1"
_COUNT = "select count(*) from audit_log"
_COUNT_HASHES = "select count(distinct hash) from audit_log where hash = any($1)"

#: How many rows are read at once.
_PAGE = 1_000


class AuditCheck(PostgresqlEngine):
    """The check, in one snapshot, on a connection of its own."""

    def check_audit_log(
        self,
        expected_head: str | None = None,
        *,
        archives: Sequence[Path] = (),
        progress: Progress | None = None,
    ) -> ChainCheck:
        """Verify a snapshot of every chain; the first fault is returned.

        The head has that of each chain, as has `expected_head`: each must be in a chain. For a
        thread without an event loop. Raises ArchiveRefused: no row was pruned.
        """
        if archives:
            raise ArchiveRefused("the audit log of PostgreSQL is not pruned, and has no archives")
        with translating():
            driver = background.run(self.connected())
            try:
                background.run(driver.execute("begin isolation level repeatable read read only"))
                return _checked(driver, expected_head, progress)
            finally:
                background.run(driver.close())


def _checked(
    driver: asyncpg.Connection, expected_head: str | None, progress: Progress | None
) -> ChainCheck:
    total: int = background.run(driver.fetchval(_COUNT))
    whole = ChainCheck(0, chain.GENESIS.hex(), None)
    heads: list[str] = []
    for (org_id,) in background.run(driver.fetch(_CHAINS)):
        if progress is not None:
            progress("audit log", whole.rows, total)
        found = _check_chain(driver, org_id)
        whole = replace(
            whole,
            rows=whole.rows + found.rows,
            pruned=whole.pruned + found.pruned,
            fault=found.fault,
        )
        if found.head != chain.GENESIS.hex():
            heads.append(found.head)
        if whole.fault is not None:
            return whole
    kept = set((expected_head or "").split()) - {chain.GENESIS.hex()}
    if background.run(driver.fetchval(_COUNT_HASHES, kept)) < len(kept):
        fault = chain.kept_head_is_missing(whole.seq, whole.pruned)
        return replace(whole, fault=fault)
    return replace(whole, head=" ".join(heads) or whole.head)


def _check_chain(driver: asyncpg.Connection, org_id: str) -> ChainCheck:
    head = background.run(driver.fetchrow(_HEAD, org_id))
    anchor = background.run(driver.fetchrow(_ANCHOR, org_id))
    return chain.check(
        _reading(driver, org_id),
        None if head is None else tuple(head),
        None,
        chain.BEGINNING if anchor is None else chain.Anchor(*anchor),
    )


def _reading(driver: asyncpg.Connection, org_id: str) -> Callable[[], Iterator[chain.Row]]:
    def read() -> Iterator[chain.Row]:
        last = -1
        while rows := background.run(driver.fetch(_ROWS, org_id, last, _PAGE)):
            yield from map(tuple, rows)
            last = rows[-1][0]

    return read
