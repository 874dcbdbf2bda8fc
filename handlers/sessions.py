"""Signing up, in and out, and who is signed in: as better-auth's own client speaks of it."""

import dataclasses
from typing import Any

from hookstream_keys import ids, passwords, sessions, tenancy, timestamps
from hookstream_keys.call import Answer, Call, Headers, MustWrite, WriteCall
from hookstream_keys.errors import SignInRefused, SignUpClosed, UntrustedRedirect, UserExists
from hookstream_keys.handlers import audit, throttle
from hookstream_keys.principal import SessionPrincipal
from hookstream_keys.store import Credential, Session, Taken, Tenancy, User

#: The operations that see to the session by themselves; every other use of it may renew it.
OPERATIONS = {"getSession", "signOut"}

#: What a user's first organization and environment are called; Hookstream makes them, too.
FIRST_ORGANIZATION = "{name}'s organization"
FIRST_ENVIRONMENT = "Default"


def prepare_sign_up(call: Call, body: dict[str, Any]) -> str:
    """Hash the password of somebody who may sign up, which takes a while."""
    if not call.service.sign_up:
        raise SignUpClosed
    _check_redirect(call, body)
    throttle.sign_up(call)
    return passwords.hashed(body["password"])


def sign_up_email(call: WriteCall, body: dict[str, Any], prepared: str) -> Answer:
    """Make a user with all that she begins with, and sign her in."""
    now = timestamps.to_text(call.now)
    user = User(
        id=ids.new("usr"),
        name=body["name"],
        email=body["email"].lower(),
        created_at=now,
        updated_at=now,
        image=body.get("image"),
    )
    call = _as(call, user)
    begun = _tenancy(call, user)
    session = _session(call, user, begun.organization.id, brief=not body["rememberMe"])
    try:
        call.store.add_user(
            user,
            Credential(ids.new("acc"), user.id, prepared, now),
            begun,
            session,
            (audit.user_created(call, user, begun), audit.session_created(call, session)),
        )
    except Taken:
        raise UserExists from None
    return {"token": session.token, "user": _user(user)}, 200, _cookies(call, session)


def prepare_sign_in(call: Call, body: dict[str, Any]) -> User:
    """Find the user who knows this password, which takes a while."""
    _check_redirect(call, body)
    attempt = throttle.Attempt(call, body["email"].lower())
    found = call.store.find_credential(body["email"].lower())
    # A password is tried where nobody is found, too: the time tells no more than the answer.
    stored = found[1].password_hash if found else passwords.NOBODYS
    if not passwords.matches(body["password"], stored) or found is None:
        raise SignInRefused
    attempt.succeeded()
    return found[0]


def sign_in_email(call: WriteCall, body: dict[str, Any], prepared: User) -> Answer:
    """Sign somebody in who knows her password."""
    user = prepared
    call = _as(call, user)
    belongs = next(iter(call.store.roles_of(user.id)), None)
    begun = None if belongs else _tenancy(call, user)
    home = belongs or (begun.organization.id if begun else None)
    session = _session(call, user, home, brief=not body["rememberMe"])
    call.store.add_session(session, begun, audit.session_created(call, session))
    answer = {"redirect": "callbackURL" in body, "token": session.token, "user": _user(user)}
    if "callbackURL" in body:
        answer["url"] = body["callbackURL"]
    return answer, 200, _cookies(call, session)


def sign_out(call: WriteCall, body: dict[str, Any] | None = None) -> Answer:
    """End the session that the request came with; it is a success, too, that there is none."""
    if isinstance(call.principal, SessionPrincipal):
        session = call.store.find_session_by_id(
            call.principal.session_id, timestamps.to_text(call.now)
        )
        if session is not None:
            call.store.end_session(session.id, audit.session_deleted(call, session))
    return {"success": True}, 200, {"Set-Cookie": sessions.no_cookies(secure=call.secure)}


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
    return {"session": _view(session), "user": _user(user)}, 200, {**_UNCACHED, **headers}


def renew(call: Call) -> Headers:
    """Let the session of the call last longer, if it is old enough, and tell the browser so."""
    if not isinstance(call.principal, SessionPrincipal) or not call.principal.due:
        return {}
    if not isinstance(call, WriteCall):
        raise MustWrite
    now = timestamps.to_text(call.now)
    session = call.store.find_session_by_id(call.principal.session_id, now)
    if session is None or not sessions.is_due(session, call.now):
        # Another request was quicker, or the session has ended.
        return {}
    if not call.store.renew_session(session.id, sessions.expiry(call.now), now):
        return {}
    if not call.principal.by_cookie:
        return {}
    return {"Set-Cookie": sessions.cookies(session.token, call.service.signer, secure=call.secure)}


_UNCACHED = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def _as(call: WriteCall, user: User) -> WriteCall:
    """The call as that of `user`, who has shown who she is: what it does is her doing."""
    return dataclasses.replace(call, principal=SessionPrincipal(ids.new("ses"), user.id))


def _tenancy(call: Call, user: User) -> Tenancy:
    name = FIRST_ORGANIZATION.format(name=user.name)
    slug = tenancy.unique_slug(user.name)
    return tenancy.begin(call, user, org=name, org_slug=slug, env=FIRST_ENVIRONMENT)


def _session(call: Call, user: User, org_id: str | None, *, brief: bool) -> Session:
    now = timestamps.to_text(call.now)
    return Session(
        id=ids.new("ses"),
        user_id=user.id,
        token=sessions.new_token(),
        expires_at=sessions.expiry(call.now, brief=brief),
        created_at=now,
        updated_at=now,
        ip_address=call.address,
        user_agent=call.user_agent,
        org_id=org_id,
    )


def _cookies(call: Call, session: Session) -> Headers:
    signer = call.service.signer
    brief = session.expires_at == sessions.expiry(call.now, brief=True)
    return {
        "Set-Cookie": sessions.cookies(session.token, signer, secure=call.secure, brief=brief),
        # Where better-auth's bearer plugin hands a token to those who keep no cookies.
        "Set-Auth-Token": signer.sign(session.token),
        "Cache-Control": "no-store",
    }


def _check_redirect(call: Call, body: dict[str, Any]) -> None:
    if "callbackURL" in body and not call.service.origins.trust(body["callbackURL"]):
        raise UntrustedRedirect


def _view(session: Session) -> dict[str, Any]:
    """A session as better-auth shows it to whoever has it."""
    return {
        "id": session.id,
        "token": session.token,
        "userId": session.user_id,
        "expiresAt": session.expires_at,
        "createdAt": session.created_at,
        "updatedAt": session.updated_at,
        "ipAddress": session.ip_address,
        "userAgent": session.user_agent,
        "activeOrganizationId": session.active_org_id,
    }


def _user(user: User) -> dict[str, Any]:
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
