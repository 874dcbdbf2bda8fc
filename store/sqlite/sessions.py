"""Sessions, as better-auth stores them."""

from datetime import datetime

from hookstream_keys.store.records import Session
from hookstream_keys.store.sqlite import better_auth
from hookstream_keys.store.sqlite.engine import Engine
from hookstream_keys.timestamps import to_text

_FIND_SESSION = """
    select s.id, s."userId", s."expiresAt",
           coalesce(
               (select m."organizationId" from "member" m where m."userId" = s."userId"
                and m."organizationId" = s."activeOrganizationId"),
               (select m."organizationId" from "member" m where m."userId" = s."userId"
                order by m."createdAt", m.id limit 1))
    from "session" s where s.token = ?
"""


class Sessions(Engine):
    """The questions about sessions."""

    def find_session(self, token: str, now: str) -> Session | None:
        row = self.one(_FIND_SESSION, (token,))
        if row is None:
            return None
        expires_at = better_auth.moment(row[2])
        if expires_at <= datetime.fromisoformat(now):
            return None
        return Session(row[0], row[1], to_text(expires_at), row[3])
