"""Sessions as better-auth keeps them: their tokens, their cookies and how long they last.

A token is 32 random letters and digits. In a cookie, and at will as a bearer token, it is
signed: `hookstream_keys.signing`.
"""

import secrets
import string
from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import quote

from hookstream_keys import timestamps
from hookstream_keys.signing import Signer
from hookstream_keys.store import Session

COOKIE = "better-auth.session_token"
#: Tells better-auth, which renews a session at any time, that this one is not to be renewed.
BRIEF_COOKIE = "better-auth.dont_remember"
#: What a cookie's name begins with where the site is https.
SECURE = "__Secure-"
SECURE_COOKIE = SECURE + COOKIE

#: How long a session lasts after it was begun or renewed, and how old it is when it is renewed.
LIFETIME = timedelta(days=7)
RENEWED_AFTER = timedelta(days=1)
#: How long one lasts that is to be forgotten with the browser's window; it is never renewed.
BRIEF_LIFETIME = timedelta(days=1)

_ALPHABET = string.ascii_letters + string.digits


def new_token() -> str:
    """A session's token that nobody has seen yet."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(32))


def is_due(session: Session, now: datetime) -> bool:
    """Whether a session that is used now is to be renewed: when it is a day old, unless brief."""
    expires_at = datetime.fromisoformat(session.expires_at)
    is_brief = expires_at - datetime.fromisoformat(session.updated_at) <= BRIEF_LIFETIME
    return not is_brief and expires_at - LIFETIME + RENEWED_AFTER <= now


def expiry(now: datetime, *, brief: bool = False) -> str:
    """When a session ends that is begun or renewed now."""
    return timestamps.to_text(now + (BRIEF_LIFETIME if brief else LIFETIME))


def cookies(token: str, signer: Signer, *, secure: bool, brief: bool = False) -> list[str]:
    """`Set-Cookie` fields that give a browser the session; a brief one until its window closes."""
    lasting = f"Max-Age={int(LIFETIME.total_seconds())}; "
    fields = [(COOKIE, signer.sign(token), "" if brief else lasting)]
    fields += [(BRIEF_COOKIE, signer.sign("true"), "")] if brief else [(BRIEF_COOKIE, "", _GONE)]
    return list(_set_cookies(fields, secure=secure))


def no_cookies(*, secure: bool) -> list[str]:
    """`Set-Cookie` fields that take the session from a browser."""
    return list(_set_cookies([(COOKIE, "", _GONE), (BRIEF_COOKIE, "", _GONE)], secure=secure))


_GONE = "Max-Age=0; "


def _set_cookies(fields: list[tuple[str, str, str]], *, secure: bool) -> Iterator[str]:
    prefix, end = (SECURE, "; Secure") if secure else ("", "")
    for name, value, age in fields:
        yield f"{prefix}{name}={quote(value, safe='')}; {age}Path=/; HttpOnly; SameSite=Lax{end}"
