"""Sessions: better-auth's own table."""

import sqlite3
from datetime import datetime
from functools import cache

from hookstream_keys.store.records import AuditEvent, Session
from hookstream_keys.store.sqlite import better_auth
from hookstream_keys.store.sqlite.audit import insert_event
from hookstream_keys.store.sqlite.better_auth import BetterAuth
from hookstream_keys.store.sqlite.engine import Row

_SELECT = """
    select s.id, s."userId", s.token, s."expiresAt", s."createdAt", s."updatedAt", s."ipAddress",
           s."userAgent", s."activeOrganizationId",
           coalesce(
               (select m."organizationId" from "member" m where m."userId" = s."userId"
                and m."organizationId" = s."activeOrganizationId"),
               (select m."organizationId" from "member" m where m."userId" = s."userId"
                order by m."createdAt", m.id limit 1))
"""
_ADD = """
    insert into "session" (id, "userId", token, "expiresAt", "createdAt", "updatedAt",
                           "ipAddress", "userAgent", "activeOrganizationId")
    values (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_RENEW = 'update "session" set "expiresAt" = ?, "updatedAt" = ? where id = ?'


@cache
def _find(columns: frozenset[str], by: str) -> str:
    """The question for a session. It asks in one statement whether its user is banned."""
    banned, user = "null, null", ""
    if "banned" in columns:
        banned = f'u."banned", {better_auth.plugin_column("banExpires", "u", columns)}'
        user = 'join "user" u on u.id = s."userId"'
    return f'{_SELECT}, {banned} from "session" s {user} where s.{by} = ?'


class Sessions(BetterAuth):
    """The questions about sessions."""

    def find_session(self, token: str, now: str) -> Session | None:
        return self._found(_find(self.user_columns, "token"), token, now)

    def find_session_by_id(self, session_id: str, now: str) -> Session | None:
        return self._found(_find(self.user_columns, "id"), session_id, now)

    def renew_session(self, session_id: str, expires_at: str, updated_at: str) -> bool:
        with self.change() as connection:
            done = connection.execute(_RENEW, (expires_at, updated_at, session_id))
            return done.rowcount > 0

    def end_session(self, session_id: str, event: AuditEvent) -> bool:
        with self.change() as connection:
            done = connection.execute('delete from "session" where id = ?', (session_id,))
            if done.rowcount == 0:
                return False
            insert_event(connection, event)
            return True

    def _found(self, sql: str, value: str, now: str) -> Session | None:
        row = self.one(sql, (value,))
        # As moments, not as text: better-auth's adapters do not all write them as we do.
        if row is None or better_auth.moment(row[3]) <= datetime.fromisoformat(now):
            return None
        if row[10]:
            ban = better_auth.ban(row[10], row[11])
            if ban is not None and ban.holds(now):
                return None
        return _session(row)


def insert_session(connection: sqlite3.Connection, session: Session) -> None:
    """Store a session inside a transaction."""
    connection.execute(
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


def _session(row: Row) -> Session:
    return Session(*row[:3], *map(better_auth.text, row[3:6]), *row[6:10])
