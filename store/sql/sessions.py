"""Sessions: better-auth's own table."""

from datetime import UTC, datetime
from functools import cache

from hookstream_keys.store.records import AuditEvent, Session
from hookstream_keys.store.sql import better_auth
from hookstream_keys.store.sql.audit import insert_event
from hookstream_keys.store.sql.better_auth import BetterAuth
from hookstream_keys.store.sql.connection import Connection, Row
from hookstream_keys.store.sql.pending_deletions import is_pending

#: How many sessions of a user end at most when one is created.
MAX_ENDED_AT_ONCE = 100

_EXISTS = f"""not {is_pending('m."organizationId"')}"""
_SELECT = f"""
    select s.id, s."userId", s.token, s."expiresAt", s."createdAt", s."updatedAt", s."ipAddress",
           s."userAgent", s."activeOrganizationId",
           coalesce(
               (select m."organizationId" from "member" m where m."userId" = s."userId"
                and m."organizationId" = s."activeOrganizationId" and {_EXISTS}),
               (select m."organizationId" from "member" m where m."userId" = s."userId"
                and {_EXISTS} order by m."createdAt", m.id limit 1))
"""  # noqa: S608 - constants
_ADD = """
    insert into "session" (id, "userId", token, "expiresAt", "createdAt", "updatedAt",
                           "ipAddress", "userAgent", "activeOrganizationId")
    values (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_OF_USER = """
    select id, "expiresAt", "createdAt", "updatedAt" from "session" where "userId" = ?
"""
_RENEW = 'update "session" set "expiresAt" = ?, "updatedAt" = ? where id = ?'


@cache
def _find(columns: frozenset[str], by: str) -> str:
    """The query of a session, with the ban of its user."""
    banned, user = "null, null", ""
    if "banned" in columns:
        banned = f'u."banned", {better_auth.plugin_column("banExpires", "u", columns)}'
        user = 'join "user" u on u.id = s."userId"'
    return f'{_SELECT}, {banned} from "session" s {user} where s.{by} = ?'


class Sessions(BetterAuth):
    """Queries and changes of sessions."""

    async def find_session(self, token: str, now: str) -> Session | None:
        return await self._found(_find(self.user_columns, "token"), token, now)

    async def find_session_by_id(self, session_id: str, now: str) -> Session | None:
        return await self._found(_find(self.user_columns, "id"), session_id, now)

    async def renew_session(self, session_id: str, expires_at: str, updated_at: str) -> bool:
        async with self.write_transaction() as connection:
            done = await connection.change(_RENEW, (expires_at, updated_at, session_id))
            return done > 0

    async def end_session(self, session_id: str, event: AuditEvent) -> bool:
        async with self.write_transaction(event.org_id) as connection:
            done = await connection.change('delete from "session" where id = ?', (session_id,))
            if done == 0:
                return False
            await insert_event(connection, event)
            return True

    async def _found(self, sql: str, value: str, now: str) -> Session | None:
        row = await self.one(sql, (value,))
        if row is None:
            return None
        try:
            # As moments, not as text: better-auth's adapters use several formats.
            if better_auth.moment(row[3]) <= datetime.fromisoformat(now):
                return None
            session = _session(row)
        except better_auth.UNREADABLE:
            # Its expiry is unreadable: the session is not valid.
            return None
        if row[10]:
            ban = better_auth.ban(row[10], row[11])
            if ban is not None and ban.holds(now):
                return None
        return session


async def insert_session(connection: Connection, session: Session) -> None:
    """Store a session inside a transaction."""
    await connection.change(
        _ADD,
        (
            session.id,
            session.user_id,
            session.token,
            session.expires_at,
            session.created_at,
            session.updated_at,
            session.ip_address,
            session.user_agent,
            session.active_org_id,
        ),
    )


async def end_oldest(connection: Connection, newest: Session, most: int) -> list[Session]:
    """End those of a user's sessions that were renewed longest ago, until there are `most`.

    Sessions that have expired do not count, and `newest` stays. Where there are very many they end
    over several sign-ins: of what is in one transaction others have to wait for the end.
    """
    of_user = await connection.all(_OF_USER, (newest.user_id,))
    now = better_auth.moment(newest.created_at)
    others = sorted(
        (_readable(renewed), _readable(created), session_id)
        for session_id, expires, created, renewed in of_user
        if session_id != newest.id and _readable(expires) > now
    )
    excess = others[: max(0, min(len(others) + 1 - most, MAX_ENDED_AT_ONCE))]
    return await _end(connection, [session_id for *_, session_id in excess])


async def end_all(connection: Connection, user_id: str) -> list[Session]:
    """End every session of a user inside a transaction, also those that have expired."""
    found = await connection.all('select id from "session" where "userId" = ?', (user_id,))
    return await _end(connection, [session_id for (session_id,) in found])


async def _end(connection: Connection, session_ids: list[str]) -> list[Session]:
    ended = [
        await connection.row(f'{_SELECT} from "session" s where s.id = ?', (each,))
        for each in session_ids
    ]
    await connection.change_many(
        'delete from "session" where id = ?', [(session_id,) for session_id in session_ids]
    )
    # As they are stored, since their times may be none.
    return [Session(*row[:3], *map(str, row[3:6]), *row[6:]) for row in ended]


def _readable(value: str | int | float) -> datetime:
    """A time of a session: an unreadable one counts as long ago."""
    try:
        return better_auth.moment(value)
    except (ValueError, OverflowError, OSError):
        return datetime.min.replace(tzinfo=UTC)


def _session(row: Row) -> Session:
    return Session(*row[:3], *map(better_auth.text, row[3:6]), *row[6:10])
