"""The policy of sign-in by password: better-auth's own.

It is checked only after the password was right, so that a caller who does not know it learns
nothing. The order is better-auth's.
"""

from typing import Self

from hookstream_keys.domain.errors import (
    EmailNotVerified,
    SignInClosed,
    SignUpClosed,
    TwoFactorRequired,
    UserBanned,
)
from hookstream_keys.domain.records import record
from hookstream_keys.settings import Settings
from hookstream_keys.store import User


@record
class SignInPolicy:
    """The operator's settings of sign-in and sign-up."""

    is_open: bool = True
    #: Whether users may sign up.
    signs_up: bool = False
    requires_verified_email: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The policy of the settings."""
        return cls(
            is_open=settings.sign_in == "open",
            signs_up=settings.sign_up == "open",
            requires_verified_email=settings.require_email_verification,
        )

    def require_sign_in_open(self) -> None:
        """Raise SignInClosed where sign-in by password is disabled."""
        if not self.is_open:
            raise SignInClosed

    def require_sign_up_open(self) -> None:
        """Raise SignUpClosed where sign-up is closed."""
        if not self.signs_up:
            raise SignUpClosed

    def require_allowed(self, user: User, now: str) -> None:
        """Refuse a user whose password was right.

        Raises EmailNotVerified, UserBanned or TwoFactorRequired.
        """
        if self.requires_verified_email and not user.email_verified:
            raise EmailNotVerified
        if user.ban is not None and user.ban.holds(now):
            raise UserBanned
        if user.two_factor_enabled:
            raise TwoFactorRequired
