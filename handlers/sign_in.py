"""Sign-up and sign-in with a password, for better-auth's own client."""

import dataclasses
import functools
from datetime import datetime

from hookstream_keys.auth import sessions
from hookstream_keys.context.principal import SessionPrincipal
from hookstream_keys.contract import types
from hookstream_keys.domain import ids, passwords, timestamps
from hookstream_keys.domain.errors import ApiError, SignInRefused, UntrustedRedirect, UserExists
from hookstream_keys.handlers import audit, tenancy, throttle
from hookstream_keys.handlers.context import Answer, Headers, RequestContext, WriteContext
from hookstream_keys.handlers.sessions import user_view
from hookstream_keys.runtime.refusals import Refused
from hookstream_keys.store import Credential, Session, SessionBound, Tenancy, UniqueViolation, User
from hookstream_keys.store.aside import Aside

#: The names of a user's first organization and environment, as in Hookstream.
FIRST_ORGANIZATION = "{name}'s organization"
FIRST_ENVIRONMENT = "Default"
#: Why a sign-in was refused, in the audit log only: clients do not learn which users exist.
WRONG_PASSWORD = "INVALID_PASSWORD"  # noqa: S105 - no password
#: Why a session ended without a sign-out.
TOO_MANY = "too_many_sessions"


def flows(
    context: RequestContext, body: types.SignUpRequest | types.SignInRequest
) -> tuple[str, ...]:
    """The flows of a request's password check in the fair queue."""
    return throttle.flows(context, _email(body))


async def admit_sign_up(context: RequestContext, body: types.SignUpRequest) -> None:
    """Refuse a sign-up that is refused whatever the password is.

    Raises SignUpClosed, UntrustedRedirect or RateLimited.
    """
    context.dependencies.sign_in.require_sign_up_open()
    _check_redirect(context, body)
    await throttle.admit_sign_up(context)


async def reject_sign_up(context: RequestContext, body: types.SignUpRequest) -> None:
    """Count a sign-up that the full queue rejected. Raises RateLimited."""
    await throttle.sign_up(context)


async def hash_password(context: RequestContext, aside: Aside, body: types.SignUpRequest) -> str:
    """The hash of a new user's password; slow. Raises RateLimited."""
    await throttle.sign_up(context)
    return await aside(functools.partial(passwords.hashed, body["password"]))


async def sign_up_email(context: WriteContext, body: types.SignUpRequest, prepared: str) -> Answer:
    """Create a user with an organization and an environment, and sign them in.

    Where a verified email address is required there is no session, and, as in better-auth, the
    response does not tell whether the address has signed up before.
    """
    now = timestamps.to_text(context.now)
    user = User(
        id=ids.new("usr", context.random),
        name=body["name"],
        email=_email(body),
        created_at=now,
        updated_at=now,
        image=body.get("image"),
    )
    context = _as(context, user)
    begun = _tenancy(context, user)
    brief = not body["rememberMe"]
    session = None
    events = [audit.user_created(context, user, begun.organization.id)]
    if not context.dependencies.sign_in.requires_verified_email:
        session = _session(context, user, begun.organization.id, brief=brief)
        events.append(audit.session_created(context, session))
    try:
        credential = Credential(ids.new("acc", context.random), user.id, prepared, now)
        await context.store.add_user(user, credential, begun, session, events)
    except UniqueViolation:
        if session is not None:
            raise UserExists from None
    shown = user_view(user)
    if session is None:
        return {"token": None, "user": shown}, 200, {"Cache-Control": "no-store"}
    return {"token": session.token, "user": shown}, 200, _cookies(context, session, brief=brief)


async def admit_sign_in(context: RequestContext, body: types.SignInRequest) -> None:
    """Refuse an attempt before its password is checked.

    Raises SignInClosed, UntrustedRedirect or RateLimited.
    """
    context.dependencies.sign_in.require_sign_in_open()
    _check_redirect(context, body)
    await throttle.admit_attempt(context, _email(body))


async def reject_sign_in(context: RequestContext, body: types.SignInRequest) -> None:
    """Count an attempt that the full queue rejected as failed. Raises RateLimited.

    Otherwise a flood that the queue rejects would never be limited, and would keep it full.
    """
    await throttle.failed(context, _email(body))


async def check_password(
    context: RequestContext, aside: Aside, body: types.SignInRequest
) -> Credential:
    """The credential that the password was checked against; slow.

    Raises SignInRefused, RateLimited, or the policy's error for a user whose password is right.
    """
    await throttle.failed(context, _email(body))
    found = await context.store.find_credential(_email(body))
    # For an unknown user a password is hashed, too: the time tells no more than the answer.
    stored = found[1].password_hash if found else passwords.DUMMY_HASH
    is_right = await aside(functools.partial(passwords.matches, body["password"], stored))
    if found is None:
        raise SignInRefused
    user, credential = found
    if not is_right:
        _note(context, user, WRONG_PASSWORD)
        raise SignInRefused
    await throttle.succeeded(context, _email(body))
    _require_allowed(context, user)
    return credential


async def sign_in_email(
    context: WriteContext, body: types.SignInRequest, prepared: Credential
) -> Answer:
    """Create a session for the user whose password was checked."""
    user = await _still_allowed(context, _email(body), prepared)
    context = _as(context, user)
    belongs = await context.store.first_organization_of(user.id)
    begun = None if belongs else _tenancy(context, user)
    home = belongs or (begun.organization.id if begun else None)
    brief = not body["rememberMe"]
    session = _session(context, user, home, brief=brief)
    await context.store.add_session(
        session, begun, audit.session_created(context, session), _bound(context)
    )
    answer = {"redirect": "callbackURL" in body, "token": session.token, "user": user_view(user)}
    if "callbackURL" in body:
        answer["url"] = body["callbackURL"]
    return answer, 200, _cookies(context, session, brief=brief)


def _bound(context: RequestContext) -> SessionBound | None:
    """How many sessions the user may have, and the event of one that ends for it."""
    most = context.dependencies.max_sessions
    if most is None:
        return None
    return SessionBound(most, functools.partial(audit.session_deleted, context, reason=TOO_MANY))


async def _still_allowed(context: RequestContext, email: str, checked: Credential) -> User:
    """The user of a credential, read again in the transaction that makes the session.

    The password may have been changed, or the user banned, since it was checked.
    """
    found = await context.store.find_credential(email)
    if found is None or found[1] != checked:
        raise SignInRefused
    _require_allowed(context, found[0])
    return found[0]


def _require_allowed(context: RequestContext, user: User) -> None:
    """Raise the policy's error for a user whose password is right."""
    try:
        context.dependencies.sign_in.require_allowed(user, timestamps.to_text(context.now))
    except ApiError as refusal:
        _note(context, user, refusal.code)
        raise


def _note(context: RequestContext, user: User, reason: str) -> None:
    now = timestamps.to_text(context.now)
    context.dependencies.note(
        Refused("sign_in", user.id, reason, context.address, context.request_id, now, now)
    )


def _as(context: WriteContext, user: User) -> WriteContext:
    """The context with `user` as principal, whom the audit log names."""
    principal = SessionPrincipal(ids.new("ses", context.random), user.id)
    return dataclasses.replace(context, principal=principal)


def _tenancy(context: RequestContext, user: User) -> Tenancy:
    name = FIRST_ORGANIZATION.format(name=user.name)
    slug = tenancy.unique_slug(user.name, context.random)
    return tenancy.begin(context, user, org=name, org_slug=slug, env=FIRST_ENVIRONMENT)


def _session(context: RequestContext, user: User, org_id: str | None, *, brief: bool) -> Session:
    now = timestamps.to_text(context.now)
    return Session(
        id=ids.new("ses", context.random),
        user_id=user.id,
        token=sessions.new_token(context.random),
        expires_at=timestamps.to_text(
            context.dependencies.lifetimes.first_end(context.now, brief=brief)
        ),
        created_at=now,
        updated_at=now,
        ip_address=context.address,
        user_agent=context.user_agent,
        org_id=org_id,
    )


def _cookies(context: RequestContext, session: Session, *, brief: bool) -> Headers:
    lasts = None if brief else datetime.fromisoformat(session.expires_at) - context.now
    return {
        "Set-Cookie": context.dependencies.cookies.give(
            session.token, lasts, secure=context.secure
        ),
        # The header of better-auth's bearer plugin, for clients without cookies.
        "Set-Auth-Token": context.dependencies.signer.sign(session.token),
        "Cache-Control": "no-store",
    }


def _check_redirect(
    context: RequestContext, body: types.SignUpRequest | types.SignInRequest
) -> None:
    if "callbackURL" in body and not context.dependencies.origins.trust(body["callbackURL"]):
        raise UntrustedRedirect


def _email(body: types.SignUpRequest | types.SignInRequest) -> str:
    """The email address as it is stored."""
    email: str = body["email"].lower()
    return email
