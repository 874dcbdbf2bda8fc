"""What was ended, narrowed or taken away since a backup: carried over before it is put back.

Both databases are open on one connection, the backup as `backup`, ours as `main`, whose
write lock is held: what is compared is what is replaced. The rule is the same everywhere:
of two things that may be done, the less.
"""

import sqlite3
from typing import Any

from hookstream_keys import networks, roles
from hookstream_keys.limits import Limit
from hookstream_keys.scopes import Scopes
from hookstream_keys.store.records import Carried, Restored

#: What ends with its organization or environment, in the words of RFC 5280.
_GONE = "cessationOfOperation"

_REVOKE_GONE = """
    update backup.api_key set revoked_at = ?, revocation_reason = ?
    where revoked_at is null and id not in (select id from main.api_key)
    returning id, org_id, env_id, prefix, revocation_reason
"""
_REVOKE = """
    update backup.api_key as k set (revoked_at, revocation_reason) =
        (select revoked_at, revocation_reason from main.api_key where id = k.id)
    where revoked_at is null
          and id in (select id from main.api_key where revoked_at is not null)
    returning id, org_id, env_id, prefix, revocation_reason
"""
#: Keys with a secret that was good, or was to become so, and is neither now.
_ROTATED = """
    select count(distinct key_id) from (
        select key_id, digest, state from backup.rotation
        where key_id in (select id from main.api_key)
        union all
        select id, digest, 'own' from backup.api_key where id in (select id from main.api_key)
        except
        select * from (select key_id, digest, state from main.rotation
                       union all select id, digest, 'own' from main.api_key))
"""
_SECRETS = (
    "delete from backup.rotation where key_id in (select id from main.api_key)",
    """update backup.api_key as k set (digest, prefix, expires_at) =
           (select digest, prefix, expires_at from main.api_key where id = k.id)
       where exists (select 1 from main.api_key where id = k.id and digest <> k.digest)""",
    """insert into backup.rotation select * from main.rotation
       where key_id in (select id from backup.api_key)""",
)
_RULES = ("enabled", "expires_at", "scopes", "allowed_ips", "rate_limit", "role")
_DIFFERENT = f"""
    select k.id, k.org_id, k.env_id, {", ".join(f"k.{name}, now.{name}" for name in _RULES)}
    from backup.api_key k join main.api_key now on now.id = k.id
    where k.revoked_at is null
          and ({", ".join(f"k.{name}" for name in _RULES)})
              is not ({", ".join(f"now.{name}" for name in _RULES)})
"""  # noqa: S608 - constants
_USAGE = (
    "delete from backup.key_usage where key_id in (select key_id from main.key_usage)",
    """insert into backup.key_usage select * from main.key_usage
       where key_id in (select id from backup.api_key)""",
)
_FORGOTTEN = "select count(*) from main.api_key where id not in (select id from backup.api_key)"


def carry_over(connection: sqlite3.Connection, found: Restored, now: str) -> list[Carried]:
    """End in the backup what is ended now, count that in `found`, and tell what was changed."""
    revoked = connection.execute(_REVOKE_GONE, (now, _GONE)).fetchall()
    revoked += connection.execute(_REVOKE).fetchall()
    found.keys_revoked = len(revoked)
    (found.keys_rotated,) = connection.execute(_ROTATED).fetchone()
    (found.keys_forgotten,) = connection.execute(_FORGOTTEN).fetchone()
    (found.sessions_ended,) = connection.execute('select count(*) from main."session"').fetchone()
    for statement in (*_SECRETS, *_USAGE):
        connection.execute(statement)
    changes = [_revocation(*row) for row in revoked]
    changes += _narrow_keys(connection, found)
    changes += _remove_members(connection, found)
    changes += _lower_roles(connection, found)
    _cancel_invitations(connection, found)
    _leave_owners(connection)
    return changes


def organizations_gone(connection: sqlite3.Connection) -> list[Carried]:
    """The organizations that came to be after the backup, and so are no more."""
    rows = connection.execute(
        'select id, name, slug from main."organization"'
        ' where id not in (select id from backup."organization") order by id'
    ).fetchall()
    return [
        Carried("organization.deleted", org_id, org_id, {"name": name, "slug": slug})
        for org_id, name, slug in rows
    ]


def _revocation(key_id: str, org_id: str, env_id: str, prefix: str, reason: str) -> Carried:
    details = {"env_id": env_id, "key_prefix": prefix, "reason": reason}
    return Carried("api_key.revoked", org_id, key_id, details)


def _narrow_keys(connection: sqlite3.Connection, found: Restored) -> list[Carried]:
    changes = []
    for key_id, org_id, env_id, *values in connection.execute(_DIFFERENT).fetchall():
        was = dict(zip(_RULES, values[::2], strict=True))
        narrowed = narrower(was, dict(zip(_RULES, values[1::2], strict=True)))
        different = {name: value for name, value in narrowed.items() if value != was[name]}
        if different:
            names = ", ".join(f"{name} = :{name}" for name in different)
            connection.execute(
                f"update backup.api_key set {names} where id = :id",  # noqa: S608 - constants
                {**different, "id": key_id},
            )
            details = {"env_id": env_id, "changes": _shown(different)}
            changes.append(Carried("api_key.updated", org_id, key_id, details))
    found.keys_narrowed = len(changes)
    return changes


def narrower(was: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """The rules of a key, as its columns hold them, that allow what both allow.

    Where no scope or no network is in both, those of now stay, and the key is disabled.
    """
    scopes = Scopes.parse(was["scopes"]).common(Scopes.parse(now["scopes"]))
    mine, theirs = was["allowed_ips"].split(), now["allowed_ips"].split()
    # None at all means anywhere.
    allowed = networks.common(mine, theirs) if mine and theirs else tuple(mine or theirs)
    nothing = not scopes.names or (bool(mine or theirs) and not allowed)
    return {
        "enabled": int(was["enabled"] and now["enabled"] and not nothing),
        # No time is later than a tilde.
        "expires_at": min(was["expires_at"] or "~", now["expires_at"] or "~").replace("~", "")
        or None,
        "scopes": str(scopes) or now["scopes"],
        "allowed_ips": " ".join(allowed) or now["allowed_ips"],
        "rate_limit": _slower(was["rate_limit"], now["rate_limit"]),
        "role": _lesser(was["role"], now["role"]),
    }


def _lesser(was: str | None, now: str | None) -> str | None:
    """Of the roles of who gave a key its scopes, the one that lets it do less; else that of now."""
    return was if roles.of_keys_by(was) <= roles.of_keys_by(now) else now


def _slower(was: str | None, now: str | None) -> str | None:
    if was is None or now is None:
        return was or now
    mine, theirs = (Limit(*map(int, text.split("/"))) for text in (was, now))
    return was if mine.is_within(theirs) else now


def _shown(values: dict[str, Any]) -> dict[str, Any]:
    """The rules as the audit log has them: as the API says them."""
    shown = dict(values)
    if "enabled" in shown:
        shown["enabled"] = bool(shown["enabled"])
    if "allowed_ips" in shown:
        shown["allowed_ips"] = shown["allowed_ips"].split()
    if shown.get("rate_limit"):
        shown["rate_limit"] = Limit(*map(int, shown["rate_limit"].split("/")))._asdict()
    return shown


#: Members whose place was taken away: where the organization is gone as well, the log knows.
_REMOVED = """
    delete from backup."member" as m
    where "userId" not in (select id from main."user")
       or case when "organizationId" in (select id from main."organization")
          then not exists (select 1 from main."member" where "userId" = m."userId"
                           and "organizationId" = m."organizationId")
          else id in (select resource_id from main.audit_log
                      where action = 'member.removed' and seq > ?) end
    returning id, "organizationId", "userId", role
"""
_ROLES = """
    select m.id, m."organizationId", m."userId", m.role, coalesce(
        (select role from main."member" where "userId" = m."userId"
         and "organizationId" = m."organizationId"),
        (select json_extract(details, '$.role') from main.audit_log
         where action = 'member.updated' and resource_id = m.id and seq > ?
         order by seq desc limit 1), m.role) as now
    from backup."member" m where now <> m.role
"""


def _remove_members(connection: sqlite3.Connection, found: Restored) -> list[Carried]:
    rows = connection.execute(_REMOVED, (found.backup.seq,)).fetchall()
    found.members_removed = len(rows)
    return [
        Carried("member.removed", org_id, member_id, {"user_id": user_id, "was": role})
        for member_id, org_id, user_id, role in rows
    ]


def _lower_roles(connection: sqlite3.Connection, found: Restored) -> list[Carried]:
    changes = []
    for member_id, org_id, user_id, was, now in connection.execute(
        _ROLES, (found.backup.seq,)
    ).fetchall():
        if _may_no_more(was, now):
            continue
        connection.execute('update backup."member" set role = ? where id = ?', (now, member_id))
        details = {"user_id": user_id, "role": now, "was": was}
        changes.append(Carried("member.updated", org_id, member_id, details))
    found.roles_lowered = len(changes)
    return changes


def _may_no_more(role: str, than: str) -> bool:
    """Whether whoever has `role` may do nothing that she may not as `than`."""
    if roles.is_owner(role) and not roles.is_owner(than):
        return False
    return not roles.scopes_of(than).beyond(roles.scopes_of(role).names)


def _cancel_invitations(connection: sqlite3.Connection, found: Restored) -> None:
    connection.execute(
        'delete from backup."invitation" where "inviterId" not in (select id from main."user")'
    )
    found.invitations_cancelled = connection.execute(
        """update backup."invitation" as i set status =
               coalesce((select status from main."invitation" where id = i.id), 'canceled')
           where status = 'pending' and not exists (select 1 from main."invitation"
                                                    where id = i.id and status = 'pending')"""
    ).rowcount


def _leave_owners(connection: sqlite3.Connection) -> None:
    """Where an organization has lost all of its owners, those who own it now do."""
    members = connection.execute('select "organizationId", role from backup."member"').fetchall()
    owned = {org_id for org_id, role in members if roles.is_owner(role)}
    for member_id, org_id, user_id, role in connection.execute(_MEMBERS_NOW).fetchall():
        if org_id in owned or not roles.is_owner(role):
            continue
        connection.execute(
            'delete from backup."member" where "organizationId" = ? and "userId" = ?',
            (org_id, user_id),
        )
        connection.execute(_KEEP_MEMBER, (member_id,))


_MEMBERS_NOW = """
    select id, "organizationId", "userId", role from main."member"
    where "organizationId" in (select id from backup."organization")
"""
_KEEP_MEMBER = """
    insert into backup."member" (id, "organizationId", "userId", role, "createdAt")
    select id, "organizationId", "userId", role, "createdAt" from main."member" where id = ?
"""
