"""Sessions as better-auth keeps them: their tokens, how long they last and when they are renewed.

A token is 32 random letters and digits. It is signed in a cookie (`session_cookies`), and
optionally as a bearer token.
"""

from datetime import UTC, datetime, timedelta
from typing import Self

from hookstream_keys.domain.alphanumeric import alphanumeric
from hookstream_keys.domain.records import record
from hookstream_keys.domain.setting_kinds import number
from hookstream_keys.domain.sources import Random
from hookstream_keys.settings import Settings
from hookstream_keys.store import Session

#: How long a session lasts after it was begun or renewed: better-auth's `session.expiresIn`.
LIFETIME = timedelta(days=7)
#: How old it is when it is renewed: better-auth's `session.updateAge`.
UPDATE_AGE = timedelta(days=1)
#: How long a session without `rememberMe` lasts, as in better-auth.
BRIEF_LIFETIME = timedelta(days=1)

#: better-auth reads the clock twice, for a session's expiry and for its creation.
_TWO_READINGS = timedelta(minutes=1)


def new_token(random: Random) -> str:
    """A new random token."""
    return alphanumeric(32, random)


@record
class Lifetimes:
    """How long sessions last: those created here, and those of better-auth."""

    #: After creation or renewal. None: the session's own lifetime, or `LIFETIME`.
    expires_in: timedelta | None = None
    update_age: timedelta = UPDATE_AGE
    #: After creation, however often it was renewed. None: no maximum.
    max_lifetime: timedelta | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The lifetimes of the settings."""
        return cls(
            expires_in=_seconds(settings.session_expires_in),
            update_age=timedelta(seconds=int(settings.session_update_age)),
            max_lifetime=_seconds(settings.session_max_lifetime),
        )

    def first_end(self, now: datetime, *, brief: bool) -> datetime:
        """The expiry of a session that begins now. A `brief` one is never renewed."""
        lifetime = self.expires_in or LIFETIME
        if brief:
            lifetime = min(lifetime, BRIEF_LIFETIME)
        return now + min(lifetime, self.max_lifetime or lifetime)

    def end(self, session: Session) -> datetime:
        """The expiry of a session: the configured maximum applies to better-auth's, too."""
        return self._capped(datetime.fromisoformat(session.expires_at), session)

    def has_ended(self, session: Session, now: datetime) -> bool:
        """Whether a session that the store found has exceeded the maximum lifetime."""
        return self.max_lifetime is not None and self.end(session) <= now

    def renewed_end(self, session: Session, now: datetime) -> datetime | None:
        """The new expiry of a session that is used now, or None when it is not renewed.

        With `expires_in` this is better-auth's rule. Without it, a session that is older than
        `update_age` is renewed by its own lifetime.
        """
        end = datetime.fromisoformat(session.expires_at)
        renewed = datetime.fromisoformat(session.updated_at)
        own = end - renewed
        if own <= BRIEF_LIFETIME and own < (self.expires_in or LIFETIME) - _TWO_READINGS:
            # A brief session, as for `rememberMe: false`, is not renewed.
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
    """The moment so much later, or the latest possible."""
    try:
        return moment + duration
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _seconds(text: str) -> timedelta | None:
    seconds = number(text)
    return None if seconds is None else timedelta(seconds=seconds)
