"""Pending deletions: what is deleted at once by a mark, and row by row in small batches.

A row of `pending_deletion` is the mark: from its commit on, the environment or organization is gone
for every query, and its keys are revoked. Its rows follow in batches, each a transaction of its
own, so that other writers never wait for all of them. What a crash interrupts goes on at the next
start: all that is left to do follows from the mark and the rows.

Several processes may work on one deletion at once: a batch finds its rows under the write lock.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal

from hookstream_keys.store.records import AuditEvent, DeletionEvents, PendingDeletion, RevokedKey
from hookstream_keys.store.sql.audit import insert_event
from hookstream_keys.store.sql.batches import ROWS_AT_ONCE, Budget
from hookstream_keys.store.sql.connection import Connection, Engine, Value
from hookstream_keys.store.sql.key_class import CLASS, REVOKED

#: How many rows are looked up at once, of which a batch may change the first only.
_PAGE = 50

#: The environment first: if both are being deleted, it was deleted before.
_OWNERS = ("env_id", "org_id")

_COLUMNS = (
    "id, kind, org_id, deleted_at, reason, user_id, api_key_id, ip_address, request_id,"
    " keys_revoked"
)
_ADD = f"insert into pending_deletion ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_ANY = "select 1 from pending_deletion limit 1"
#: The next one: that of the fewest batches, so that a large one does not delay others. Before an
#: organization come its environments that were deleted earlier, whose keys were revoked then.
_NEXT = f"""
    select {_COLUMNS} from pending_deletion d
    where kind = 'environment' or not exists (
        select 1 from pending_deletion e where e.org_id = d.id and e.kind = 'environment')
    order by batches, deleted_at, id limit 1
"""  # noqa: S608 - constants
_FIND = f"select {_COLUMNS} from pending_deletion where id = ?"  # noqa: S608 - constants
_WAITS = "select 1 from pending_deletion where org_id = ? and kind = 'environment'"
_COUNT = """
    update pending_deletion set keys_revoked = keys_revoked + ?, batches = batches + 1 where id = ?
"""
_REMOVE = "delete from pending_deletion where id = ?"

_KEYS_OF_ENVIRONMENT = f"""
    select id, env_id, prefix from api_key indexed by api_key_env
    where env_id = ? and {CLASS} < {REVOKED} limit ?
"""  # noqa: S608 - constants
_REVOKE = "update api_key set revoked_at = ?, revocation_reason = ? where id = ?"
_KEYS_OF_ORGANIZATION = """
    select id, env_id, prefix, revoked_at from api_key
    where org_id = ? limit ?
"""
_ROTATIONS = "select id from rotation where key_id = ? limit ?"
#: What else an organization has, children first: each query of ids, and the deletion of one.
_CHILDREN = (
    ("select id from environment where org_id = ? limit ?", "delete from environment where id = ?"),
    (
        'select id from "invitation" where "organizationId" = ? limit ?',
        'delete from "invitation" where id = ?',
    ),
    (
        'select id from "member" where "organizationId" = ? limit ?',
        'delete from "member" where id = ?',
    ),
)


def is_pending(column: str) -> str:
    """The condition in SQL that the environment or organization in `column` is being deleted."""
    return f"{column} in (select id from pending_deletion)"  # noqa: S608 - names of columns


def key_is_pending(alias: str = "") -> str:
    """The condition in SQL that a key's environment or organization is being deleted."""
    return f"({is_pending(f'{alias}env_id')} or {is_pending(f'{alias}org_id')})"


def as_revoked(column: Literal["revoked_at", "revocation_reason"], alias: str) -> str:
    """A column of a key, in SQL: of one that is being deleted, the value by the deletion.

    Without pending deletions this costs one look at an empty table: every use of a key reads it.
    """
    by_deletion = {"revoked_at": "deleted_at", "revocation_reason": "reason"}[column]
    of = "(select {value} from pending_deletion p where p.id = {alias}{owner})".format
    values = ", ".join(of(value=by_deletion, alias=alias, owner=each) for each in _OWNERS)
    is_read = f"{alias}revoked_at is null and exists (select 1 from pending_deletion)"  # noqa: S608
    return f"case when {is_read} then coalesce({values}) else {alias}{column} end"


class PendingDeletions(Engine):
    """Working on pending deletions."""

    async def has_pending_deletions(self) -> bool:
        return await self.one(_ANY, ()) is not None

    async def continue_deletion(self, events: DeletionEvents, rows: int, seconds: float) -> bool:
        # First without the write lock: most of the time there is none.
        if not await self.has_pending_deletions():
            return False
        async with self.write_transaction() as connection:
            deletion = await _next(connection)
            if deletion is not None:
                await connection.lock(deletion.org_id)
                # Again: another process may have gone on until now.
                deletion = await _found(connection, _FIND, (deletion.id,))
            if deletion is not None:
                await _work(connection, deletion, events, Budget(rows, seconds))
        return await self.has_pending_deletions()


async def begin(connection: Connection, deletion: PendingDeletion, events: DeletionEvents) -> None:
    """Mark what is deleted, inside a transaction, and delete the first of its rows."""
    await connection.change(_ADD, tuple(getattr(deletion, name) for name in _COLUMNS.split(", ")))
    is_organization = deletion.kind == "organization"
    if is_organization and await connection.one(_WAITS, (deletion.org_id,)):
        return
    await _work(connection, deletion, events, Budget(ROWS_AT_ONCE))


async def complete_all(connection: Connection, events: DeletionEvents) -> None:
    """Complete every pending deletion, inside one transaction."""
    while (deletion := await _next(connection)) is not None:
        await _work(connection, deletion, events, Budget(_PAGE))


async def revoke(connection: Connection, revoked_at: str, reason: str, event: AuditEvent) -> None:
    """Revoke the key of this event, which is not revoked, inside a transaction."""
    await connection.change(_REVOKE, (revoked_at, reason, event.resource_id))
    await insert_event(connection, event)


async def _next(connection: Connection) -> PendingDeletion | None:
    return await _found(connection, _NEXT)


async def _found(
    connection: Connection, sql: str, values: tuple[Value, ...] = ()
) -> PendingDeletion | None:
    row = await connection.one(sql, values)
    return None if row is None else PendingDeletion(*row)


async def _work(
    connection: Connection, deletion: PendingDeletion, events: DeletionEvents, budget: Budget
) -> None:
    """Change rows within the budget, at least one; after the last one, remove the mark."""
    changes = {"environment": _revoke_keys, "organization": _delete_rows}[deletion.kind]
    keys_revoked = 0
    async with aclosing(changes(connection, deletion, events)) as steps:
        async for is_revoked_key in steps:
            keys_revoked += is_revoked_key
            if budget.count_row():
                await connection.change(_COUNT, (keys_revoked, deletion.id))
                return
    await connection.change(_REMOVE, (deletion.id,))
    await insert_event(connection, events.completed(deletion, deletion.keys_revoked + keys_revoked))


async def _revoke_keys(
    connection: Connection, deletion: PendingDeletion, events: DeletionEvents
) -> AsyncGenerator[bool, None]:
    """Revoke the keys of an environment, each with its event. Yields after each change."""
    while found := await connection.all(_KEYS_OF_ENVIRONMENT, (deletion.id, _PAGE)):
        for key_id, env_id, prefix in found:
            event = events.revoked(deletion, RevokedKey(key_id, env_id, prefix))
            await revoke(connection, deletion.deleted_at, deletion.reason, event)
            yield True


async def _delete_rows(
    connection: Connection, deletion: PendingDeletion, events: DeletionEvents
) -> AsyncGenerator[bool, None]:
    """Delete all rows of an organization, itself last. Yields whether each is a revoked key.

    Referring rows are deleted first, so that no delete cascades to more than a few.
    """
    org_id = deletion.id
    while keys := await connection.all(_KEYS_OF_ORGANIZATION, (org_id, _PAGE)):
        for key_id, env_id, prefix, revoked_at in keys:
            while rotations := await connection.all(_ROTATIONS, (key_id, _PAGE)):
                for rotation in rotations:
                    await connection.change("delete from rotation where id = ?", rotation)
                    yield False
            # In one step, so that no key has two events.
            if revoked_at is None:
                key = RevokedKey(key_id, env_id, prefix)
                await insert_event(connection, events.revoked(deletion, key))
            # A few rows, one for each outcome. A restore has no cascades.
            await connection.change("delete from key_usage where key_id = ?", (key_id,))
            await connection.change("delete from api_key where id = ?", (key_id,))
            yield revoked_at is None
    for find, delete in _CHILDREN:
        while children := await connection.all(find, (org_id, _PAGE)):
            for child in children:
                await connection.change(delete, child)
                yield False
    await connection.change("delete from organization where id = ?", (org_id,))
