"""Signing up and in with a password, as better-auth's own client does it."""

import dataclasses
import functools
from datetime import datetime
from typing import Any

from hookstream_keys import ids, passwords, sessions, tenancy, timestamps
from hookstream_keys.call import Answer, Call, Headers, WriteCall
from hookstream_keys.errors import ApiError, SignInRefused, UntrustedRedirect, UserExists
from hookstream_keys.handlers import audit, throttle
from hookstream_keys.handlers.sessions import user_view
from hookstream_keys.principal import SessionPrincipal
from hookstream_keys.refusals import Refused
from hookstream_keys.store import Credential, Session, SessionBound, Taken, Tenancy, User

#: What a user's first organization and environment are called; Hookstream makes them, too.
FIRST_ORGANIZATION = "{name}'s organization"
FIRST_ENVIRONMENT = "Default"
#: Why a sign-in was refused, on record; the client is not told whether there is such a user.
WRONG_PASSWORD = "INVALID_PASSWORD"  # noqa: S105 - no password
#: Why a session ended that its user did not end.
TOO_MANY = "too_many_sessions"


def flows(call: Call, body: dict[str, Any]) -> tuple[str, ...]:
    """What the work of a request to sign up or in is queued by."""
    return throttle.flows(call, _email(body))


def admit_sign_up(call: Call, body: dict[str, Any]) -> None:
    """Refuse a sign-up that is refused whatever the password is.

    Raises SignUpClosed, UntrustedRedirect or RateLimited.
    """
    call.service.sign_in.require_sign_up_open()
    _check_redirect(call, body)
    throttle.admit_sign_up(call)


def reject_sign_up(call: Call, body: dict[str, Any]) -> None:
    """Count a sign-up that the full queue rejected. Raises RateLimited."""
    throttle.sign_up(call)


def hash_password(call: Call, body: dict[str, Any]) -> str:
    """The hash of a new user's password, which takes a while. Raises RateLimited."""
    throttle.sign_up(call)
    return passwords.hashed(body["password"])


def sign_up_email(call: WriteCall, body: dict[str, Any], prepared: str) -> Answer:
    """Make a user with all that they begin with, and sign them in.

    Where a verified address is required there is no session, and, as in better-auth, the answer
    does not tell whether the address has signed up before.
    """
    now = timestamps.to_text(call.now)
    user = User(
        id=ids.new("usr"),
        name=body["name"],
        email=_email(body),
        created_at=now,
        updated_at=now,
        image=body.get("image"),
    )
    call = _as(call, user)
    begun = _tenancy(call, user)
    brief = not body["rememberMe"]
    session = None
    events = [audit.user_created(call, user, begun)]
    if not call.service.sign_in.requires_verified_email:
        session = _session(call, user, begun.organization.id, brief=brief)
        events.append(audit.session_created(call, session))
    try:
        credential = Credential(ids.new("acc"), user.id, prepared, now)
        call.store.add_user(user, credential, begun, session, events)
    except Taken:
        if session is not None:
            raise UserExists from None
    shown = user_view(user)
    if session is None:
        return {"token": None, "user": shown}, 200, {"Cache-Control": "no-store"}
    return {"token": session.token, "user": shown}, 200, _cookies(call, session, brief=brief)


def admit_sign_in(call: Call, body: dict[str, Any]) -> None:
    """Refuse an attempt that is refused whatever the password is.

    Raises SignInClosed, UntrustedRedirect or RateLimited.
    """
    call.service.sign_in.require_sign_in_open()
    _check_redirect(call, body)
    throttle.admit_attempt(call, _email(body))


def reject_sign_in(call: Call, body: dict[str, Any]) -> None:
    """Count an attempt that the full queue rejected as failed. Raises RateLimited.

    Otherwise a flood that the queue rejects would never be limited, and would keep it full.
    """
    throttle.Attempt(call, _email(body))


def check_password(call: Call, body: dict[str, Any]) -> Credential:
    """The credential that the password was checked against, which takes a while.

    Raises SignInRefused, RateLimited, or what the policy says of a user whose password is right.
    """
    attempt = throttle.Attempt(call, _email(body))
    found = call.store.find_credential(_email(body))
    # Without such a user a password is hashed, too: the time tells no more than the answer.
    stored = found[1].password_hash if found else passwords.NOBODYS
    is_right = passwords.matches(body["password"], stored)
    if found is None:
        raise SignInRefused
    user, credential = found
    if not is_right:
        _note(call, user, WRONG_PASSWORD)
        raise SignInRefused
    attempt.succeeded()
    _require_allowed(call, user)
    return credential


def sign_in_email(call: WriteCall, body: dict[str, Any], prepared: Credential) -> Answer:
    """Make a session for the user whose password was checked."""
    user = _still_allowed(call, _email(body), prepared)
    call = _as(call, user)
    belongs = next(iter(call.store.roles_of(user.id)), None)
    begun = None if belongs else _tenancy(call, user)
    home = belongs or (begun.organization.id if begun else None)
    brief = not body["rememberMe"]
    session = _session(call, user, home, brief=brief)
    call.store.add_session(session, begun, audit.session_created(call, session), _bound(call))
    answer = {"redirect": "callbackURL" in body, "token": session.token, "user": user_view(user)}
    if "callbackURL" in body:
        answer["url"] = body["callbackURL"]
    return answer, 200, _cookies(call, session, brief=brief)


def _bound(call: Call) -> SessionBound | None:
    """How many sessions the user may have, and what is recorded of one that ends for it."""
    most = call.service.max_sessions
    if most is None:
        return None
    return SessionBound(most, functools.partial(audit.session_deleted, call, reason=TOO_MANY))


def _still_allowed(call: Call, email: str, checked: Credential) -> User:
    """The user of a credential, read again in the transaction that makes the session.

    The password may have been changed, or the user banned, since it was checked.
    """
    found = call.store.find_credential(email)
    if found is None or found[1] != checked:
        raise SignInRefused
    _require_allowed(call, found[0])
    return found[0]


def _require_allowed(call: Call, user: User) -> None:
    """Raise what the policy says of a user whose password is right."""
    try:
        call.service.sign_in.require_allowed(user, timestamps.to_text(call.now))
    except ApiError as refusal:
        _note(call, user, refusal.code)
        raise


def _note(call: Call, user: User, reason: str) -> None:
    now = timestamps.to_text(call.now)
    call.service.note(Refused("sign_in", user.id, reason, call.address, call.request_id, now, now))


def _as(call: WriteCall, user: User) -> WriteCall:
    """The call as that of `user`, who is authenticated now: the audit log names them."""
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
        expires_at=timestamps.to_text(call.service.lifetimes.first_end(call.now, brief=brief)),
        created_at=now,
        updated_at=now,
        ip_address=call.address,
        user_agent=call.user_agent,
        org_id=org_id,
    )


def _cookies(call: Call, session: Session, *, brief: bool) -> Headers:
    lasts = None if brief else datetime.fromisoformat(session.expires_at) - call.now
    return {
        "Set-Cookie": call.service.cookies.give(session.token, lasts, secure=call.secure),
        # Where better-auth's bearer plugin hands a token to those who keep no cookies.
        "Set-Auth-Token": call.service.signer.sign(session.token),
        "Cache-Control": "no-store",
    }


def _check_redirect(call: Call, body: dict[str, Any]) -> None:
    if "callbackURL" in body and not call.service.origins.trust(body["callbackURL"]):
        raise UntrustedRedirect


def _email(body: dict[str, Any]) -> str:
    """The address as it is stored."""
    email: str = body["email"].lower()
    return email
