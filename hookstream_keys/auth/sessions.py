"""Sessions as better-auth keeps them: their tokens, how long they last and when they are renewed.

A token is 32 random letters and digits. In a cookie (`session_cookies`), and at will as a bearer
token, it is signed.
"""

import secrets
import string
from datetime import UTC, datetime, timedelta
from typing import Self

from hookstream_keys.domain.records import record
from hookstream_keys.domain.setting_kinds import number
from hookstream_keys.settings import Settings
from hookstream_keys.store import Session

#: How long a session lasts after it was begun or renewed: better-auth's `session.expiresIn`.
LIFETIME = timedelta(days=7)
#: How old it is when it is renewed: better-auth's `session.updateAge`.
UPDATE_AGE = timedelta(days=1)
#: How long one lasts that is to be forgotten with the browser's window, as in better-auth.
BRIEF_LIFETIME = timedelta(days=1)

#: better-auth reads the clock once for a session's end and once for its beginning.
_TWO_READINGS = timedelta(minutes=1)
_ALPHABET = string.ascii_letters + string.digits


def new_token() -> str:
    """A session's token that nobody has seen yet."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(32))


@record
class Lifetimes:
    """How long sessions last: those that are made here, and those of better-auth."""

    #: After a session was begun or renewed. None: as long as it was made for, or `LIFETIME`.
    expires_in: timedelta | None = None
    update_age: timedelta = UPDATE_AGE
    #: After it was begun, however often it was renewed. None: without such an end.
    max_lifetime: timedelta | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The lifetimes that the settings ask for."""
        return cls(
            expires_in=_seconds(settings.session_expires_in),
            update_age=timedelta(seconds=int(settings.session_update_age)),
            max_lifetime=_seconds(settings.session_max_lifetime),
        )

    def first_end(self, now: datetime, *, brief: bool) -> datetime:
        """When a session ends that begins now. One that is `brief` is never renewed."""
        lifetime = self.expires_in or LIFETIME
        if brief:
            lifetime = min(lifetime, BRIEF_LIFETIME)
        return now + min(lifetime, self.max_lifetime or lifetime)

    def end(self, session: Session) -> datetime:
        """When a session ends, unless it is renewed: also one that better-auth gave longer."""
        return self._capped(datetime.fromisoformat(session.expires_at), session)

    def has_ended(self, session: Session, now: datetime) -> bool:
        """Whether a session that the store has found is too old to be used all the same."""
        return self.max_lifetime is not None and self.end(session) <= now

    def renewed_end(self, session: Session, now: datetime) -> datetime | None:
        """When a session ends that is used now, or None where it is not to be renewed.

        With `expires_in` this is better-auth's rule. Without, a session that is older than
        `update_age` lasts from now on as long as it did from when it was begun or renewed.
        """
        end = datetime.fromisoformat(session.expires_at)
        renewed = datetime.fromisoformat(session.updated_at)
        own = end - renewed
        if own <= BRIEF_LIFETIME and own < (self.expires_in or LIFETIME) - _TWO_READINGS:
            # Made to be brief, as for `rememberMe: false`, and so not to be renewed.
            return None
        due = renewed if self.expires_in is None else end - self.expires_in
        if due + self.update_age > now:
            return None
        new_end = self._capped(_later(now, self.expires_in or own), session)
        return new_end if new_end > end else None

    def _capped(self, end: datetime, session: Session) -> datetime:
        if self.max_lifetime is None:
            return end
        return min(end, _later(datetime.fromisoformat(session.created_at), self.max_lifetime))


def _later(moment: datetime, duration: timedelta) -> datetime:
    """The moment so much later, or the last that there is."""
    try:
        return moment + duration
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _seconds(text: str) -> timedelta | None:
    seconds = number(text)
    return None if seconds is None else timedelta(seconds=seconds)
