"""Organizations, their members and environments."""

import sqlite3

from hookstream_keys.store.records import Environment, Tenant
from hookstream_keys.store.sqlite.audit import insert_event
from hookstream_keys.store.sqlite.engine import Engine
from hookstream_keys.store.sqlite.keys import insert_key

_FIND_ENVIRONMENT = """
    select e.id, e.org_id, e.name, e.slug, e.mode, e.created_at
    from environment e where e.id = ? and e.org_id = ?
"""
_OF_MEMBER = """
    and exists (select 1 from member m where m."organizationId" = e.org_id and m."userId" = ?)
"""
_ROLES = """select "organizationId", role from "member" where "userId" = ?"""
_USED = """
    select exists (select 1 from "user") or exists (select 1 from organization)
"""


class Tenants(Engine):
    """The questions about tenants."""

    def roles_of(self, user_id: str) -> dict[str, str]:
        return dict(self.all(_ROLES, (user_id,)))

    def find_environment(self, org_id: str, env_id: str) -> Environment | None:
        row = self.one(_FIND_ENVIRONMENT, (env_id, org_id))
        return Environment(*row) if row else None

    def find_environment_of_member(
        self, org_id: str, env_id: str, user_id: str
    ) -> Environment | None:
        row = self.one(_FIND_ENVIRONMENT + _OF_MEMBER, (env_id, org_id, user_id))
        return Environment(*row) if row else None

    def add_first_tenant(self, tenant: Tenant) -> bool:
        with self.change() as connection:
            used = connection.execute(_USED).fetchone()[0]
            if not used:
                _insert_tenant(connection, tenant)
            return not used


def _insert_tenant(connection: sqlite3.Connection, tenant: Tenant) -> None:
    user, organization, member = tenant.user, tenant.organization, tenant.member
    environment = tenant.environment
    connection.execute(
        """insert into "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
           values (?, ?, ?, 1, ?, ?)""",
        (user.id, user.name, user.email, user.created_at, user.created_at),
    )
    connection.execute(
        # better-auth: a password's account has the user's own id as accountId.
        """insert into "account" (id, "accountId", "providerId", "userId", password,
                                  "createdAt", "updatedAt")
           values (?, ?, 'credential', ?, ?, ?, ?)""",
        (user.account_id, user.id, user.id, user.password_hash, user.created_at, user.created_at),
    )
    connection.execute(
        """insert into "organization" (id, name, slug, "createdAt") values (?, ?, ?, ?)""",
        (organization.id, organization.name, organization.slug, organization.created_at),
    )
    connection.execute(
        """insert into "member" (id, "organizationId", "userId", role, "createdAt")
           values (?, ?, ?, ?, ?)""",
        (member.id, member.org_id, member.user_id, member.role, member.created_at),
    )
    connection.execute(
        """insert into environment (id, org_id, name, slug, mode, created_at)
           values (?, ?, ?, ?, ?, ?)""",
        (
            environment.id,
            environment.org_id,
            environment.name,
            environment.slug,
            environment.mode,
            environment.created_at,
        ),
    )
    insert_key(connection, tenant.key, tenant.key_digest)
    for event in tenant.events:
        insert_event(connection, event)
