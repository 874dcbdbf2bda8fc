"""Sessions, as better-auth stores them."""

from datetime import UTC, datetime

from hookstream_keys.store.records import Session
from hookstream_keys.store.sqlite.engine import Engine
from hookstream_keys.timestamps import to_text

_FIND_SESSION = """select id, "userId", "expiresAt" from "session" where token = ?"""


class Sessions(Engine):
    """The questions about sessions."""

    def find_session(self, token: str, now: str) -> Session | None:
        row = self.one(_FIND_SESSION, (token,))
        if row is None:
            return None
        expires_at = _moment(row[2])
        if expires_at <= datetime.fromisoformat(now):
            return None
        return Session(id=row[0], user_id=row[1], expires_at=to_text(expires_at))


def _moment(value: str | int | float) -> datetime:
    """A time as better-auth's adapters store it: ISO text, or milliseconds since 1970."""
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime.fromtimestamp(value / 1000, UTC)
