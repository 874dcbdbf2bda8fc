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
from hookstream_keys.store.sqlite.audit import insert_event
from hookstream_keys.store.sqlite.engine import Engine
from hookstream_keys.store.sqlite.members import FIRST_JOINED
from hookstream_keys.store.sqlite.sessions import end_oldest, insert_session
from hookstream_keys.store.sqlite.tenants import insert_tenancy
from hookstream_keys.store.sqlite.users import insert_user


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
        with self.write_transaction() as connection:
            insert_user(connection, user, credential)
            insert_tenancy(connection, tenancy)
            if session is not None:
                insert_session(connection, session)
            for event in events:
                insert_event(connection, event)

    async def add_session(
        self,
        session: Session,
        tenancy: Tenancy | None,
        event: AuditEvent,
        bound: SessionBound | None = None,
    ) -> None:
        with self.write_transaction() as connection:
            # Two sign-ins at once create one tenancy.
            if tenancy and not connection.execute(FIRST_JOINED, (session.user_id,)).fetchone():
                insert_tenancy(connection, tenancy)
            insert_session(connection, session)
            insert_event(connection, event)
            if bound is not None:
                for ended in end_oldest(connection, session, bound.most):
                    insert_event(connection, bound.ended(ended))
