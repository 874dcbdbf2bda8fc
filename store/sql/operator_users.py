"""Users, their passwords and sessions, and all organizations, for the operator."""

from collections.abc import Callable

from hookstream_keys.store.records import AuditEvent, Credential, Page, Session, User
from hookstream_keys.store.sql.audit import insert_event
from hookstream_keys.store.sql.better_auth import BetterAuth
from hookstream_keys.store.sql.connection import Connection
from hookstream_keys.store.sql.sessions import end_all
from hookstream_keys.store.sql.users import insert_credential, insert_user, select_users, user_of

_CREDENTIAL_OF = """select id from "account" where "userId" = ? and "providerId" = 'credential'"""
_REPLACE = 'update "account" set password = ?, "updatedAt" = ? where id = ?'


class OperatorUsers(BetterAuth):
    """Queries and changes of users by the operator."""

    async def list_users(self, page: Page) -> list[User]:
        select = f"{select_users(self.user_columns)} where true"
        return [
            user_of(row) for row in await self.page(select, {}, page, ('u."createdAt"', "u.id"))
        ]

    async def create_user(self, user: User, credential: Credential, event: AuditEvent) -> None:
        async with self.write_transaction(event.org_id) as connection:
            await insert_user(connection, user, credential)
            await insert_event(connection, event)

    async def set_password(
        self, credential: Credential, event: AuditEvent, ended: Callable[[Session], AuditEvent]
    ) -> int:
        async with self.write_transaction(event.org_id) as connection:
            found = await connection.one(_CREDENTIAL_OF, (credential.user_id,))
            if found is None:
                # They signed in elsewhere so far, such as by a link.
                await insert_credential(connection, credential)
            else:
                values = (credential.password_hash, credential.created_at, found[0])
                await connection.change(_REPLACE, values)
            await insert_event(connection, event)
            return await _end_sessions(connection, credential.user_id, ended)

    async def end_sessions(self, user_id: str, ended: Callable[[Session], AuditEvent]) -> int:
        async with self.write_transaction() as connection:
            return await _end_sessions(connection, user_id, ended)


async def _end_sessions(
    connection: Connection, user_id: str, ended: Callable[[Session], AuditEvent]
) -> int:
    sessions = await end_all(connection, user_id)
    for session in sessions:
        await insert_event(connection, ended(session))
    return len(sessions)
