"""The session of a request: who is signed in, renewal and signing out, as better-auth has them."""

from typing import Any

from hookstream_keys import timestamps
from hookstream_keys.call import Answer, Call, Headers, MustWrite, WriteCall
from hookstream_keys.handlers import audit
from hookstream_keys.principal import SessionPrincipal
from hookstream_keys.store import Session, User

#: The operations that see to the session by themselves; every other use of it may renew it.
OPERATIONS = {"getSession", "signOut"}


def sign_out(call: WriteCall, body: dict[str, Any] | None = None) -> Answer:
    """End the session that the request came with; it is a success, too, that there is none."""
    if isinstance(call.principal, SessionPrincipal):
        session = call.store.find_session_by_id(
            call.principal.session_id, timestamps.to_text(call.now)
        )
        if session is not None:
            call.store.end_session(session.id, audit.session_deleted(call, session))
    return {"success": True}, 200, {"Set-Cookie": call.service.cookies.clear(secure=call.secure)}


def get_session(
    call: Call, *, disableRefresh: bool = False, disableCookieCache: bool = False
) -> Answer:
    """Tell whoever is signed in who she is, and others nothing."""
    if not isinstance(call.principal, SessionPrincipal):
        return b"null", 200, _UNCACHED
    headers = renew(call) if not disableRefresh else {}
    now = timestamps.to_text(call.now)
    session = call.store.find_session_by_id(call.principal.session_id, now)
    user = call.store.find_user(call.principal.user_id)
    if session is None or user is None:
        return b"null", 200, _UNCACHED
    return {"session": _view(call, session), "user": user_view(user)}, 200, {**_UNCACHED, **headers}


def renew(call: Call) -> Headers:
    """Let the session of the call last longer, if it is old enough, and tell the browser so."""
    if not isinstance(call.principal, SessionPrincipal) or not call.principal.due:
        return {}
    if not isinstance(call, WriteCall):
        raise MustWrite
    now = timestamps.to_text(call.now)
    session = call.store.find_session_by_id(call.principal.session_id, now)
    end = call.service.lifetimes.renewed_end(session, call.now) if session else None
    if session is None or end is None:
        # Another request was quicker, or the session has ended.
        return {}
    if not call.store.renew_session(session.id, timestamps.to_text(end), now):
        return {}
    if not call.principal.by_cookie:
        return {}
    lasts = end - call.now
    return {"Set-Cookie": call.service.cookies.give(session.token, lasts, secure=call.secure)}


_UNCACHED = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def _view(call: Call, session: Session) -> dict[str, Any]:
    """A session as better-auth shows it to whoever has it."""
    return {
        "id": session.id,
        "token": session.token,
        "userId": session.user_id,
        "expiresAt": timestamps.to_text(call.service.lifetimes.end(session)),
        "createdAt": session.created_at,
        "updatedAt": session.updated_at,
        "ipAddress": session.ip_address,
        "userAgent": session.user_agent,
        "activeOrganizationId": session.active_org_id,
    }


def user_view(user: User) -> dict[str, Any]:
    """A user as better-auth shows one."""
    return {
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "emailVerified": user.email_verified,
        "image": user.image,
        "createdAt": user.created_at,
        "updatedAt": user.updated_at,
    }
