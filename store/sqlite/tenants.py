"""The first tenant of a database."""

from hookstream_keys.store.records import Tenancy, Tenant
from hookstream_keys.store.sqlite.audit import insert_event
from hookstream_keys.store.sqlite.connection import Connection
from hookstream_keys.store.sqlite.engine import Engine
from hookstream_keys.store.sqlite.environments import insert_environment
from hookstream_keys.store.sqlite.keys import insert_key
from hookstream_keys.store.sqlite.members import insert_member
from hookstream_keys.store.sqlite.organizations import insert_organization
from hookstream_keys.store.sqlite.users import insert_user

_USED = """
    select exists (select 1 from "user") or exists (select 1 from organization)
"""


class Tenants(Engine):
    """The change by `init`."""

    async def add_first_tenant(self, tenant: Tenant) -> bool:
        with self.write_transaction() as connection:
            used = connection.execute(_USED).fetchone()[0]
            if not used:
                insert_user(connection, tenant.user, tenant.credential)
                insert_tenancy(connection, tenant.tenancy)
                insert_key(connection, tenant.key, tenant.key_digest)
                insert_event(connection, tenant.key_event)
            return not used


def insert_tenancy(connection: Connection, tenancy: Tenancy) -> None:
    """Store a user's first resources in a transaction."""
    insert_organization(connection, tenancy.organization)
    insert_member(connection, tenancy.member)
    insert_environment(connection, tenancy.environment)
    for event in tenancy.events:
        insert_event(connection, event)
