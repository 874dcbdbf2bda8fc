"""The session of a request: reading, renewal and sign-out, as in better-auth."""

from typing import Any

from hookstream_keys.context.principal import SessionPrincipal
from hookstream_keys.contract import types
from hookstream_keys.domain import timestamps
from hookstream_keys.handlers import audit
from hookstream_keys.handlers.context import (
    Answer,
    Headers,
    RequestContext,
    RetryInWriteTransaction,
    WriteContext,
)
from hookstream_keys.store import Session, User

#: The operations that handle the session themselves; every other use may renew it.
OPERATIONS = {"getSession", "signOut"}


async def sign_out(context: WriteContext, body: types.SignOutRequest | None = None) -> Answer:
    """End the request's session; without one it succeeds, too."""
    if isinstance(context.principal, SessionPrincipal):
        session = await context.store.find_session_by_id(
            context.principal.session_id, timestamps.to_text(context.now)
        )
        if session is not None:
            await context.store.end_session(session.id, audit.session_deleted(context, session))
    else:
        # A request whose commit was not confirmed may have ended it.
        await context.store.confirm_earlier()
    return (
        {"success": True},
        200,
        {"Set-Cookie": context.dependencies.cookies.clear(secure=context.secure)},
    )


async def get_session(
    context: RequestContext, *, disableRefresh: bool = False, disableCookieCache: bool = False
) -> Answer:
    """Show the signed-in user and their session, or null."""
    if not isinstance(context.principal, SessionPrincipal):
        return b"null", 200, _UNCACHED
    headers = await renew(context) if not disableRefresh else {}
    now = timestamps.to_text(context.now)
    session = await context.store.find_session_by_id(context.principal.session_id, now)
    user = await context.store.find_user(context.principal.user_id)
    if session is None or user is None:
        return b"null", 200, _UNCACHED
    return (
        {"session": _view(context, session), "user": user_view(user)},
        200,
        {**_UNCACHED, **headers},
    )


async def renew(context: RequestContext) -> Headers:
    """Renew the session, if it is due; returns the cookies for that."""
    if not isinstance(context.principal, SessionPrincipal) or not context.principal.due:
        return {}
    if not isinstance(context, WriteContext):
        raise RetryInWriteTransaction
    now = timestamps.to_text(context.now)
    session = await context.store.find_session_by_id(context.principal.session_id, now)
    end = context.dependencies.lifetimes.renewed_end(session, context.now) if session else None
    if session is None or end is None:
        # Another request has renewed it, or it has ended.
        return {}
    if not await context.store.renew_session(session.id, timestamps.to_text(end), now):
        return {}
    if not context.principal.by_cookie:
        return {}
    lasts = end - context.now
    return {
        "Set-Cookie": context.dependencies.cookies.give(session.token, lasts, secure=context.secure)
    }


_UNCACHED = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def _view(context: RequestContext, session: Session) -> dict[str, Any]:
    """A session as better-auth shows it to its user."""
    return {
        "id": session.id,
        "token": session.token,
        "userId": session.user_id,
        "expiresAt": timestamps.to_text(context.dependencies.lifetimes.end(session)),
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
