"""Merging members and invitations: removals and lowered roles are preserved."""

import sqlite3

from hookstream_keys.contract import roles
from hookstream_keys.store.records import Restored
from hookstream_keys.store.sqlite import narrowing
from hookstream_keys.store.sqlite.restore_rows import (
    PAGE,
    columns,
    different,
    narrowed,
    quoted,
    update,
)


def preserve_removals(connection: sqlite3.Connection, found: Restored) -> None:
    """Apply later removals and lower roles to the backup's copy; count them in `found`."""
    _remove_members(connection, found)
    _lower_roles(connection, found)
    _cancel_invitations(connection, found)
    _leave_owners(connection)


#: Removed members: where the organization was deleted as well, by the log.
_REMOVED = """
    delete from backup."member" as m
    where "userId" not in (select id from main."user")
       or case when "organizationId" in (select id from main."organization")
          then not exists (select 1 from main."member" where "userId" = m."userId"
                           and "organizationId" = m."organizationId")
          else id in (select resource_id from main.audit_log
                      where action = 'member.removed' and seq > ?) end
"""
_ROLES = f"""
    select m.id, m.role, coalesce(
        (select role from main."member" where "userId" = m."userId"
         and "organizationId" = m."organizationId"),
        (select coalesce(json_extract(details, '$.changes.role.new'),
                         json_extract(details, '$.role')) from main.audit_log
         where org_id = m."organizationId" and resource_id = m.id
               and action = 'member.updated' and seq > ?
         order by seq desc limit 1), m.role) as now
    from backup."member" m where now <> m.role and m.id > ? order by m.id limit {PAGE}
"""  # noqa: S608 - a constant


def _remove_members(connection: sqlite3.Connection, found: Restored) -> None:
    found.preserved.members_removed = connection.execute(_REMOVED, (found.backup.seq,)).rowcount


def _lower_roles(connection: sqlite3.Connection, found: Restored) -> None:
    last = ""
    while page := connection.execute(_ROLES, (found.backup.seq, last)).fetchall():
        for member_id, was, now in page:
            role = narrowing.member_role(was, now)
            if role != was:
                update(connection, "member", member_id, {"role": role})
                found.preserved.roles_lowered += 1
        last = page[-1][0]


def _cancel_invitations(connection: sqlite3.Connection, found: Restored) -> None:
    connection.execute(
        'delete from backup."invitation" where "inviterId" not in (select id from main."user")'
    )
    found.preserved.invitations_cancelled = connection.execute(
        """update backup."invitation" set status = 'canceled'
           where status = 'pending' and id not in (select id from main."invitation")"""
    ).rowcount
    for invitation_id, was, now in different(connection, "invitation"):
        values = narrowed("invitation", was, now)
        update(connection, "invitation", invitation_id, values)
        is_cancelled = values.get("status", was["status"]) != was["status"]
        found.preserved.invitations_cancelled += is_cancelled


_OWNERLESS = """
    select id from backup."organization" where id in (select id from main."organization")
    and id > ? order by id limit ?
"""
_ROLES_IN = 'select id, "userId", role from {schema}."member" where "organizationId" = ?'


def _leave_owners(connection: sqlite3.Connection) -> None:
    """Where the merge leaves an organization without owners, take the present ones."""
    last = ""
    while page := connection.execute(_OWNERLESS, (last, PAGE)).fetchall():
        for (org_id,) in page:
            _leave_owners_of(connection, org_id)
        last = page[-1][0]


def _leave_owners_of(connection: sqlite3.Connection, org_id: str) -> None:
    owners = [
        [row[:2] for row in connection.execute(_ROLES_IN.format(schema=schema), (org_id,))
         if roles.is_owner(row[2])]
        for schema in ("backup", "main")
    ]  # fmt: skip
    if owners[0]:
        return
    names = ", ".join(quoted(name) for name in columns(connection, "member"))
    for member_id, user_id in owners[1]:
        connection.execute(
            'delete from backup."member" where "organizationId" = ? and "userId" = ?',
            (org_id, user_id),
        )
        connection.execute(
            f'insert into backup."member" ({names})'  # noqa: S608 - names of columns
            f' select {names} from main."member" where id = ?',
            (member_id,),
        )
