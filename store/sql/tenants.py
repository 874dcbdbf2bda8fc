"""The first tenant of a database."""

from hookstream_keys.store.records import Tenancy, Tenant
from hookstream_keys.store.sql.audit import insert_event
from hookstream_keys.store.sql.connection import Connection, Engine
from hookstream_keys.store.sql.environments import insert_environment
from hookstream_keys.store.sql.keys import insert_key
from hookstream_keys.store.sql.members import insert_member
from hookstream_keys.store.sql.organizations import insert_organization
from hookstream_keys.store.sql.users import insert_user

_USED = """
    select exists (select 1 from "user") or exists (select 1 from organization)
"""


class Tenants(Engine):
    """The change by `init`."""

    async def add_first_tenant(self, tenant: Tenant) -> bool:
        async with self.write_transaction("") as connection:
            used = (await connection.row(_USED))[0]
            if not used:
                await insert_user(connection, tenant.user, tenant.credential)
                await insert_tenancy(connection, tenant.tenancy)
                await insert_key(connection, tenant.key, tenant.key_digest)
                await insert_event(connection, tenant.key_event)
            return not used


async def insert_tenancy(connection: Connection, tenancy: Tenancy) -> None:
    """Store a user's first resources in a transaction."""
    await insert_organization(connection, tenancy.organization)
    await insert_member(connection, tenancy.member)
    await insert_environment(connection, tenancy.environment)
    for event in tenancy.events:
        await insert_event(connection, event)
