"""The heavy tenant's rows, inserted by SQL: by requests they would take hours."""

import sqlite3
from collections.abc import Iterable
from typing import Any

import orjson

from fairness import tenant
from fairness.tenant import Sizes
from hookstream_keys.domain import passwords, timestamps

#: Groups of keys, by the digits that begin their ids; `tenant.key_id` has the same form.
PLENTY, REVOKED, EXPIRED, DOOMED, OF_DOOMED_ORG = range(5)
FIRST_MAKER = 0x10
FIRST_ROOT = FIRST_MAKER + tenant.MAKERS

_NUMBERS = """
    with recursive number (n) as (select 0 union all select n + 1 from number where n + 1 < :count)
"""
_KEYS = f"""
    {_NUMBERS}
    insert into api_key (id, digest, org_id, env_id, name, prefix, scopes, created_at, role,
                         created_by, enabled, expires_at, revoked_at, revocation_reason, metadata)
    select printf('ak_%02x%030x', :group, n), randomblob(32), :org, :env, 'Key ' || n,
           'hs_live_' || lower(hex(randomblob(2))), '*',
           strftime('%Y-%m-%dT%H:%M:%fZ', '2024-01-01', (n * 0.001) || ' seconds'),
           {{role}}, {{created_by}}, {{enabled}}, {{expires_at}}, {{revoked_at}},
           iif({{revoked_at}} is null, null, 'superseded'), {{metadata}}
    from number
"""  # noqa: S608 - constants
_DEFAULTS = {
    "role": "'owner'",
    "created_by": ":owner",
    "enabled": "1",
    "expires_at": "null",
    "revoked_at": "null",
    "metadata": "'{}'",
}
#: How many keys a maker or root has created itself; those created the others.
_DIRECT = 100
_THEN, _LATER = "'2024-06-01T00:00:00.000Z'", "'2099-01-01T00:00:00.000Z'"

_KNOWN = """
    insert into api_key (id, digest, org_id, env_id, name, prefix, scopes, created_by, created_at,
                         role, allowed_ips)
    values (?, ?, ?, ?, 'Known key', ?, '*', ?, '2023-01-01T00:00:00.000Z', 'owner', ?)
"""
_ENVIRONMENT = """
    insert into environment (id, org_id, name, slug, mode, created_at)
    values (?, ?, ?, ?, 'live', '2023-01-01T00:00:00.000Z')
"""
_DELETED_ENVIRONMENTS = f"""
    {_NUMBERS}
    insert into environment (id, org_id, name, slug, mode, created_at, deleted_at)
    select 'env_deleted_' || n, :org, 'Deleted', '~env_deleted_' || n, 'live', :now, :now
    from number
"""  # noqa: S608 - constants
_USER = """
    insert into "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
    values (:id, 'User', :email, 1, :now, :now)
"""
_ACCOUNT = """
    insert into "account" (id, "accountId", "providerId", "userId", password, "createdAt",
                           "updatedAt")
    values ('acc_' || :id, :id, 'credential', :id, :password, :now, :now)
"""
_ORGANIZATION = """
    insert into organization (id, name, slug, "createdAt") values (?, 'Organization', ?, ?)
"""
_MEMBER = """
    insert into "member" (id, "organizationId", "userId", role, "createdAt")
    values (:member, :org, :id, :role, :now)
"""
_MEMBERS = (
    f"""
    {_NUMBERS}
    insert into "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
    select 'usr_member_' || n, 'Member', 'member-' || n || '@example.com', 1, :now, :now
    from number
    """,  # noqa: S608 - constants
    f"""
    {_NUMBERS}
    insert into "member" (id, "organizationId", "userId", role, "createdAt")
    select 'mem_' || n, :org, 'usr_member_' || n, 'member', :now from number
    """,  # noqa: S608 - constants
)
_ORGANIZATIONS_OF_ONE = (
    f"""
    {_NUMBERS}
    insert into organization (id, name, slug, "createdAt")
    select 'org_of_many_' || n, 'One of many', 'one-of-many-' || n, :now from number
    """,  # noqa: S608 - constants
    f"""
    {_NUMBERS}
    insert into "member" (id, "organizationId", "userId", role, "createdAt")
    select 'mem_of_many_' || n, 'org_of_many_' || n, :user, 'owner', :now from number
    """,  # noqa: S608 - constants
)
_ROTATIONS = f"""
    {_NUMBERS}
    insert into rotation (id, key_id, digest, prefix, state, grace_period_seconds, sets_expiry,
                          created_at, created_by, cancelled_at)
    select printf('rot_%s%026x', :tag, n), {{key_id}}, randomblob(32), 'hs_live_0000',
           iif({{is_cancelled}}, 'cancelled', 'pending'), 3600, 0,
           strftime('%Y-%m-%dT%H:%M:%fZ', '2026-01-01', (n * 0.001) || ' seconds'),
           :user, iif({{is_cancelled}}, :now, null)
    from number
"""  # noqa: S608 - constants
_SESSION = """
    insert into "session" (id, "expiresAt", token, "createdAt", "updatedAt", "userId")
    values (?, ?, ?, ?, ?, ?)
"""


def insert(connection: sqlite3.Connection, sizes: Sizes) -> None:
    """Insert all but the audit log, in a transaction of the caller."""
    now = timestamps.to_text(timestamps.now())
    _insert_tenants(connection, sizes, now)
    for count, group, org, env, differing in _groups(sizes):
        sql = _KEYS.format_map(_DEFAULTS | differing)
        bound = {"count": count, "group": group, "org": org, "env": env, "owner": tenant.OWNER}
        # A parameter that a group has in its own expressions only.
        bound |= {"newest": count - tenant.LARGE_ROWS, "metadata": _metadata()}
        connection.execute(sql, bound)
    connection.executemany(_KNOWN, _known_keys())
    _insert_rotations(connection, sizes, now)


def insert_sessions(connection: sqlite3.Connection) -> None:
    """Sign in the users whose tokens requests have, in a transaction of the caller.

    Not when the database is made, since sessions expire.
    """
    now = timestamps.now()
    begun = timestamps.to_text(now)
    expiry = timestamps.to_text(now.replace(year=now.year + 1, day=1))
    for user, token in (
        (tenant.OWNER, tenant.OWNER_TOKEN),
        (tenant.USER_OF_MANY, tenant.TOKEN_OF_MANY),
    ):
        connection.execute(_SESSION, (f"ses_{user}", expiry, token, begun, begun, user))


def _groups(sizes: Sizes) -> Iterable[tuple[int, int, str, str, dict[str, str]]]:
    """Of each group of keys their number, its own, organization, environment, and SQL.

    The oldest keys differ from the others, so that filters have a match behind all others.
    """
    org = tenant.ORG
    yield (
        sizes.plenty,
        PLENTY,
        org,
        tenant.PLENTY,
        {
            "enabled": "n <> 1",
            "expires_at": f"iif(n % 2, {_LATER}, null)",
            "revoked_at": f"iif(n = 0, {_THEN}, null)",
            "metadata": "iif(n >= :newest, :metadata, '{}')",
        },
    )
    yield (
        sizes.revoked,
        REVOKED,
        org,
        tenant.REVOKED,
        {"revoked_at": f"iif(n = 0, null, {_THEN})"},
    )
    yield (
        sizes.expired,
        EXPIRED,
        org,
        tenant.EXPIRED,
        {"expires_at": f"iif(n = 0, null, {_THEN})"},
    )
    yield sizes.doomed, DOOMED, org, tenant.DOOMED, {}
    yield sizes.of_doomed_org, OF_DOOMED_ORG, tenant.DOOMED_ORG, tenant.OF_DOOMED_ORG, {}
    for number in range(tenant.MAKERS):
        group = FIRST_MAKER + number
        made = f"iif(n < {_DIRECT}, '{tenant.maker(number)}', {_key(group, f'n % {_DIRECT}')})"
        differing = {"created_by": made, "role": "'admin'"}
        yield sizes.descendants, group, org, tenant.DESCENDANTS, differing
    for number in range(tenant.ROOTS):
        group = FIRST_ROOT + number
        parent = f"iif(n < {_DIRECT}, 0, 1 + n % ({_DIRECT} - 1))"
        made = f"iif(n = 0, :owner, {_key(group, parent)})"
        yield sizes.descendants, group, org, tenant.DESCENDANTS, {"created_by": made}


def _key(group: int, number: str) -> str:
    """SQL for the id of the key of a group with the number that an expression gives."""
    return f"printf('ak_%02x%030x', {group}, {number})"


def _metadata() -> str:
    return orjson.dumps(tenant.metadata()).decode()


def _known_keys() -> Iterable[tuple[Any, ...]]:
    for number in range(tenant.KEYS_WITH_NETWORKS + 1):
        key = tenant.known_key(number)
        key_id = tenant.CALLER_KEY if number == 0 else f"ak_known_{number}"
        allowed = " ".join(tenant.networks(number)) if number else ""
        own = (key.digest, tenant.ORG, tenant.PLENTY, key.prefix, tenant.OWNER, allowed)
        yield key_id, *own
    key = tenant.known_key(-1)
    own = (key.digest, tenant.ORG, tenant.PLENTY, key.prefix, tenant.OWNER, "")
    yield tenant.ROTATED_KEY, *own


def _insert_tenants(connection: sqlite3.Connection, sizes: Sizes, now: str) -> None:
    for org in (tenant.ORG, tenant.DOOMED_ORG):
        connection.execute(_ORGANIZATION, (org, org.replace("_", "-"), now))
    for env in (
        tenant.PLENTY,
        tenant.REVOKED,
        tenant.EXPIRED,
        tenant.DOOMED,
        tenant.DESCENDANTS,
        tenant.SPARE,
        tenant.OF_DOOMED_ORG,
    ):
        org = tenant.DOOMED_ORG if env == tenant.OF_DOOMED_ORG else tenant.ORG
        connection.execute(_ENVIRONMENT, (env, org, env, env.replace("_", "-")))
    deleted = {"count": sizes.deleted_environments, "org": tenant.ORG, "now": now}
    connection.execute(_DELETED_ENVIRONMENTS, deleted)
    _insert_users(connection, now)
    for sql in _MEMBERS:
        connection.execute(sql, {"count": sizes.members, "org": tenant.ORG, "now": now})
    for sql in _ORGANIZATIONS_OF_ONE:
        values = {"count": sizes.organizations, "user": tenant.USER_OF_MANY, "now": now}
        connection.execute(sql, values)


def _insert_users(connection: sqlite3.Connection, now: str) -> None:
    makers = [tenant.maker(number) for number in range(tenant.MAKERS)]
    for user in (tenant.OWNER, tenant.USER_OF_MANY, tenant.ROTATOR, *makers):
        connection.execute(_USER, {"id": user, "email": f"{user}@example.com", "now": now})
    password = passwords.hashed(tenant.PASSWORD)
    for number in range(tenant.USERS_THAT_SIGN_IN):
        user = f"usr_sign_in_{number}"
        values = {"id": user, "email": tenant.user_that_signs_in(number), "now": now}
        connection.execute(_USER, values)
        connection.execute(_ACCOUNT, {"id": user, "password": password, "now": now})
    memberships = [
        (tenant.ORG, tenant.OWNER, "mem_owner", "owner"),
        (tenant.DOOMED_ORG, tenant.OWNER, "mem_owner_of_doomed", "owner"),
        (tenant.ORG, tenant.ROTATOR, "mem_rotator", "admin"),
    ]
    for number, user in enumerate(makers):
        memberships.append((tenant.ORG, user, tenant.member_of_maker(number), "admin"))
    for org, user, member, role in memberships:
        values = {"org": org, "id": user, "member": member, "role": role, "now": now}
        connection.execute(_MEMBER, values)


def _insert_rotations(connection: sqlite3.Connection, sizes: Sizes, now: str) -> None:
    of_one = _ROTATIONS.format(
        key_id=f"'{tenant.ROTATED_KEY}'", is_cancelled=f"n < {sizes.rotations - 1}"
    )
    bound = {"user": tenant.ROTATOR, "now": now}
    connection.execute(of_one, {**bound, "tag": "one000", "count": sizes.rotations})
    # The two oldest of these keys are neither active.
    of_many = _ROTATIONS.format(key_id=_key(PLENTY, "n + 2"), is_cancelled="false")
    count = min(sizes.rotated_keys, sizes.plenty - 2)
    connection.execute(of_many, {**bound, "tag": "many00", "count": count})
