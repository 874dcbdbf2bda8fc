"""Sign-up and sign-in: a session, and the first resources of its user, in one transaction."""

from collections.abc import Sequence

from hookstream_keys.store.records import (
    AuditEvent,
    Credential,
    Session,
    SessionBound,
    Tenancy,
    User,
)
from hookstream_keys.store.sql.audit import insert_event
from hookstream_keys.store.sql.connection import Engine
from hookstream_keys.store.sql.members import FIRST_JOINED
from hookstream_keys.store.sql.sessions import end_oldest, insert_session
from hookstream_keys.store.sql.tenants import insert_tenancy
from hookstream_keys.store.sql.users import insert_user


class SignIn(Engine):
    """The changes of sign-up and sign-in."""

    async def add_user(
        self,
        user: User,
        credential: Credential,
        tenancy: Tenancy,
        session: Session | None,
        events: Sequence[AuditEvent],
    ) -> None:
        async with self.write_transaction() as connection:
            await insert_user(connection, user, credential)
            await insert_tenancy(connection, tenancy)
            if session is not None:
                await insert_session(connection, session)
            for event in events:
                await insert_event(connection, event)

    async def add_session(
        self,
        session: Session,
        tenancy: Tenancy | None,
        event: AuditEvent,
        bound: SessionBound | None = None,
    ) -> None:
        async with self.write_transaction(event.org_id) as connection:
            # Two sign-ins at once create one tenancy.
            if tenancy and not await connection.one(FIRST_JOINED, (session.user_id,)):
                await insert_tenancy(connection, tenancy)
            await insert_session(connection, session)
            await insert_event(connection, event)
            if bound is not None:
                for ended in await end_oldest(connection, session, bound.most):
                    await insert_event(connection, bound.ended(ended))
