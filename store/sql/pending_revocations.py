"""Pending revocations: the descendants of a user or key, revoked in small batches.

A few are revoked in the transaction of the change that they belong to. Of more, a row of
`pending_revocation` has the position of a depth-first traversal, which goes on in batches, each a
transaction of its own, so that other writers never wait for all of them. What a crash interrupts
goes on at the next start. A response is sent when the traversal is complete.

No descendant escapes. A key is revoked before its own keys are visited, so it creates no more. The
user or key that the traversal starts from has lost the right to create such keys before; a key that
is kept creates none that its role does not cover. The traversal needs no queue: each key names its
creator, and the next key of a creator is found by an index.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from hookstream_keys.contract import roles
from hookstream_keys.store.errors import StoreUnavailable
from hookstream_keys.store.records import (
    CancelledRotation,
    DescendantRevocation,
    RevocationEvents,
    RevocationProgress,
    RevocationWork,
    RevokedKey,
)
from hookstream_keys.store.sql.audit import insert_event
from hookstream_keys.store.sql.batches import ROWS_AT_ONCE, Budget
from hookstream_keys.store.sql.connection import Connection, Engine
from hookstream_keys.store.sql.pending_deletions import key_is_pending, revoke

_COLUMNS = (
    "id, made_by, org_id, reason, cause, kept_role, begun_at, user_id, api_key_id, ip_address,"
    " request_id"
)
_POSITION = "creator, after_created_at, after_id, after_rotation, is_complete, keys_revoked"
_ADD = f"""
    insert into pending_revocation ({_COLUMNS}, {_POSITION})
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""  # noqa: S608 - constants
_MOVE = f"""
    update pending_revocation set ({_POSITION}) = (?, ?, ?, ?, ?, ?), batches = batches + 1
    where id = ?
"""  # noqa: S608 - constants
_FIND = f"select {_COLUMNS}, {_POSITION} from pending_revocation where id = ?"  # noqa: S608
_ORGANIZATION = "select org_id from pending_revocation where id = ?"
#: The one of the fewest batches, so that a large one does not delay others.
_NEXT = """
    select id from pending_revocation where is_complete = 0 order by batches, begun_at, id limit 1
"""
_FIND_BY_CAUSE = """
    select id from pending_revocation where is_complete = 0 and org_id = ? and cause = ?
"""
#: Whether there is anything to do.
_ANY = "select 1 from pending_revocation where is_complete = 0 or begun_at < ? limit 1"
_REMOVE_COMPLETE = "delete from pending_revocation where is_complete = 1 and begun_at < ?"

_NEXT_KEY = f"""
    select id, created_at, env_id, prefix, role, revoked_at is null and not {key_is_pending()}
    from api_key indexed by api_key_created_by
    where created_by = ? and org_id = ? and (created_at, id) > (?, ?)
    order by created_at, id limit 1
"""  # noqa: S608 - constants
_CREATOR = "select created_by, created_at from api_key where id = ?"
#: A pending rotation of another key, and whether that key is in use.
_NEXT_ROTATION = f"""
    select r.id, r.prefix, k.id, k.env_id, k.role,
           k.org_id = :org_id and k.id <> :made_by
           and k.revoked_at is null and not {key_is_pending("k.")}
    from rotation r indexed by rotation_pending_by join api_key k on k.id = r.key_id
    where r.created_by = :creator and r.state = 'pending' and r.id > :after
    order by r.id limit 1
"""  # noqa: S608 - constants
_CANCEL = "update rotation set state = 'cancelled', cancelled_at = ? where id = ?"

#: Before the first key of a creator.
_BEFORE_ALL = ("", "")


@dataclass(slots=True)
class _Position:
    """Where the traversal is: at the rotations, then at the keys of one creator."""

    creator: str
    #: The last key of the creator that was visited.
    after: tuple[str, str] = _BEFORE_ALL
    #: The last of their rotations that was looked at.
    after_rotation: str = ""
    is_complete: bool = False
    keys_revoked: int = 0

    def enter(self, key_id: str) -> None:
        """Go down to the keys that this key created."""
        self.creator, self.after, self.after_rotation = key_id, _BEFORE_ALL, ""

    def leave(self, creator: str, created_at: str) -> None:
        """Go back to the creator of the current one, which was created then."""
        self.after = created_at, self.creator
        self.creator, self.after_rotation = creator, ""

    def values(self) -> tuple[str, str, str, str, bool, int]:
        """The values of _POSITION."""
        return (
            self.creator,
            *self.after,
            self.after_rotation,
            self.is_complete,
            self.keys_revoked,
        )

    def progress(self) -> RevocationProgress:
        return RevocationProgress(self.keys_revoked, self.is_complete)


class PendingRevocations(Engine):
    """Working on pending revocations."""

    async def find_pending_revocation(self, org_id: str, cause: str) -> str | None:
        row = await self.one(_FIND_BY_CAUSE, (org_id, cause))
        return row[0] if row else None

    async def continue_revocation(
        self, revocation_id: str, events: RevocationEvents, rows: int, seconds: float
    ) -> RevocationProgress:
        async with self.write_transaction() as connection:
            found = await _continue(connection, revocation_id, events, Budget(rows, seconds))
        if found is None:
            raise StoreUnavailable(f"the revocation {revocation_id} was removed")
        return found

    async def continue_revocations(
        self, events: RevocationEvents, rows: int, seconds: float, before: str
    ) -> bool:
        # First without the write lock: most of the time there is none.
        if await self.one(_ANY, (before,)) is None:
            return False
        async with self.write_transaction() as connection:
            await connection.change(_REMOVE_COMPLETE, (before,))
            following = await connection.one(_NEXT)
            if following is not None:
                await _continue(connection, following[0], events, Budget(rows, seconds))
        return await self.one(_NEXT, ()) is not None


async def begin(
    connection: Connection, work: RevocationWork | None, keys_revoked: int = 0
) -> RevocationProgress:
    """Revoke the first descendants, if any are to be revoked, inside a transaction.

    `keys_revoked` counts keys that were revoked with the change itself.
    """
    if work is None:
        return RevocationProgress(keys_revoked, is_complete=True)
    revocation, events = work
    position = _Position(revocation.made_by, keys_revoked=keys_revoked)
    await _work(connection, revocation, position, events, Budget(ROWS_AT_ONCE))
    if not position.is_complete:
        values = tuple(getattr(revocation, name) for name in _COLUMNS.split(", "))
        await connection.change(_ADD, (*values, *position.values()))
    return position.progress()


async def complete_all(connection: Connection, events: RevocationEvents) -> None:
    """Complete every pending revocation, inside one transaction."""
    while (following := await connection.one(_NEXT)) is not None:
        await _continue(connection, following[0], events, Budget(ROWS_AT_ONCE))


async def _continue(
    connection: Connection, revocation_id: str, events: RevocationEvents, budget: Budget
) -> RevocationProgress | None:
    """Do a batch, of one that is not complete. None if it does not exist."""
    owner = await connection.one(_ORGANIZATION, (revocation_id,))
    if owner is None:
        return None
    await connection.lock(owner[0])
    # After the lock: another process may have gone on until then.
    row = await connection.row(_FIND, (revocation_id,))
    *values, creator, created_at, key_id, rotation_id, is_complete, keys_revoked = row
    revocation = DescendantRevocation(*values)
    position = _Position(
        creator, (created_at, key_id), rotation_id, bool(is_complete), keys_revoked
    )
    if not position.is_complete:
        await _work(connection, revocation, position, events, budget)
        await connection.change(_MOVE, (*position.values(), revocation_id))
    return position.progress()


async def _work(
    connection: Connection,
    revocation: DescendantRevocation,
    position: _Position,
    events: RevocationEvents,
    budget: Budget,
) -> None:
    """Move on within the budget, at least by one row."""
    async with aclosing(_visits(connection, revocation, position, events)) as visits:
        async for _ in visits:
            if budget.count_row():
                return
    position.is_complete = True


async def _visits(
    connection: Connection,
    revocation: DescendantRevocation,
    position: _Position,
    events: RevocationEvents,
) -> AsyncGenerator[None, None]:
    """Traverse the descendants, depth first. Yields after each row that was visited."""
    while True:
        if position.after == _BEFORE_ALL:
            # First, so that a creator who was reached gets no secret any more.
            while await _visit_rotation(connection, revocation, position, events):
                yield
        if await _visit_key(connection, revocation, position, events):
            yield
            continue
        if position.creator == revocation.made_by:
            return
        above = await connection.one(_CREATOR, (position.creator,))
        if above is None:
            # Pruned meanwhile, with its environment: what was visited is visited again.
            position.enter(revocation.made_by)
        else:
            position.leave(*above)
        yield


async def _visit_key(
    connection: Connection,
    revocation: DescendantRevocation,
    position: _Position,
    events: RevocationEvents,
) -> bool:
    """Revoke the creator's next key, and go down to its own. Returns whether there is one."""
    row = await connection.one(_NEXT_KEY, (position.creator, revocation.org_id, *position.after))
    if row is None:
        return False
    key_id, _, env_id, prefix, role, is_in_use = row
    if is_in_use and not _is_kept(revocation, role):
        event = events.revoked(revocation, RevokedKey(key_id, env_id, prefix))
        await revoke(connection, event.created_at, revocation.reason, event)
        position.keys_revoked += 1
    position.enter(key_id)
    return True


async def _visit_rotation(
    connection: Connection,
    revocation: DescendantRevocation,
    position: _Position,
    events: RevocationEvents,
) -> bool:
    """Cancel the creator's next pending rotation of another key. Returns whether there is one."""
    row = await connection.one(
        _NEXT_ROTATION,
        {
            "org_id": revocation.org_id,
            "made_by": revocation.made_by,
            "creator": position.creator,
            "after": position.after_rotation,
        },
    )
    if row is None:
        return False
    rotation_id, prefix, key_id, env_id, role, is_in_use = row
    if is_in_use and not _is_kept(revocation, role):
        event = events.cancelled(revocation, CancelledRotation(rotation_id, prefix, key_id, env_id))
        await connection.change(_CANCEL, (event.created_at, rotation_id))
        await insert_event(connection, event)
    position.after_rotation = rotation_id
    return True


def _is_kept(revocation: DescendantRevocation, role: str | None) -> bool:
    return revocation.kept_role is not None and roles.cover(revocation.kept_role, role)
