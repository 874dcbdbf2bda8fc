"""Signing in: the policy, and what may change while a password is checked."""

import dataclasses
from typing import Any

import pytest
from support.results import result_of
from unit import samples
from unit.conftest import Engine

from hookstream_keys.auth.sign_in_policy import SignInPolicy
from hookstream_keys.context.principal import Anonymous
from hookstream_keys.contract import types
from hookstream_keys.domain import ids, passwords, timestamps
from hookstream_keys.domain.errors import (
    ApiError,
    EmailNotVerified,
    SignInClosed,
    SignInRefused,
    SignUpClosed,
    TwoFactorRequired,
    UserBanned,
)
from hookstream_keys.handlers import sign_in
from hookstream_keys.handlers.context import Dependencies, WriteContext
from hookstream_keys.settings import Settings
from hookstream_keys.store import Ban, Store, Tenant, User, open_store
from hookstream_keys.store.aside import here

PASSWORD = "correct horse"
HASH = passwords.hashed(PASSWORD)
PAST, FUTURE = "2026-11-24T11:00:00.000Z", "2026-11-24T13:00:00.000Z"


def policy(**settings: Any) -> SignInPolicy:
    return SignInPolicy.of(dataclasses.replace(Settings(), **settings))


# The policy


@pytest.mark.parametrize(
    ("user", "refusal"),
    [
        (samples.user(), None),
        (samples.user(ban=Ban(None)), UserBanned),
        (samples.user(ban=Ban(FUTURE)), UserBanned),
        (samples.user(ban=Ban(PAST)), None),
        (samples.user(two_factor_enabled=True), TwoFactorRequired),
        # In better-auth's order.
        (samples.user(two_factor_enabled=True, ban=Ban(None)), UserBanned),
    ],
)
def test_a_user_is_refused_as_better_auth_refuses(
    user: User, refusal: type[ApiError] | None
) -> None:
    for required in (False, True):
        asked = policy(require_email_verification=required)
        verified = dataclasses.replace(user, email_verified=True)
        if refusal is None:
            asked.require_allowed(verified, samples.NOON)
        else:
            with pytest.raises(refusal):
                asked.require_allowed(verified, samples.NOON)
    with pytest.raises(EmailNotVerified):
        policy(require_email_verification=True).require_allowed(user, samples.NOON)


def test_signing_in_and_up_are_open_as_the_settings_say() -> None:
    policy().require_sign_in_open()
    with pytest.raises(SignUpClosed):
        policy().require_sign_up_open()
    policy(sign_up="open").require_sign_up_open()
    with pytest.raises(SignInClosed):
        policy(sign_in="closed").require_sign_in_open()


# Between the check and the transaction


@pytest.fixture
def planted(engine: Engine) -> Tenant:
    """A tenant whose owner has a password, in a database with better-auth's plugins."""
    first = open_store(engine.url)
    first.migrate()
    stored = samples.tenant()
    result_of(first.add_first_tenant(stored))
    first.close()
    engine.run('update "account" set password = ?', HASH)
    columns = {"banned": "boolean", "banExpires": "timestamptz", "twoFactorEnabled": "boolean"}
    for name, kind in columns.items():
        engine.run(f'alter table "user" add column "{name}" {kind}')
    return stored


@pytest.fixture
def plugged(engine: Engine, planted: Tenant) -> Store:
    opened = open_store(engine.url)
    opened.migrate()
    return opened


def context_to(store: Store, **settings: Any) -> WriteContext:
    dependencies = Dependencies(sign_in=policy(**settings))
    return WriteContext(
        store,
        Anonymous(),
        ids.new("req"),
        "203.0.113.7",
        timestamps.now(),
        dependencies=dependencies,
    )


def body(tenant: Tenant, password: str = PASSWORD) -> types.SignInRequest:
    return {"email": tenant.user.email, "password": password, "rememberMe": True}


def test_the_right_password_signs_in(plugged: Store, planted: Tenant) -> None:
    context = context_to(plugged)
    checked = result_of(sign_in.check_password(context, here, body(planted)))
    answer = result_of(sign_in.sign_in_email(context, body(planted), checked))
    assert answer[1] == 200
    now = timestamps.to_text(context.now)
    assert result_of(plugged.find_session(answer[0]["token"], now)) is not None


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ("update \"account\" set password = 'another:hash'", SignInRefused),
        ('update "account" set password = null', SignInRefused),
        ('delete from "account"', SignInRefused),
        ('delete from "user"', SignInRefused),
        ("update \"user\" set email = 'elsewhere@example.com'", SignInRefused),
        ('update "user" set banned = true', UserBanned),
        ('update "user" set "twoFactorEnabled" = true', TwoFactorRequired),
        ('update "user" set "emailVerified" = false', EmailNotVerified),
    ],
)
def test_changes_during_a_password_check_apply(
    engine: Engine, plugged: Store, planted: Tenant, change: str, refusal: type[ApiError]
) -> None:
    engine.run('update "user" set "emailVerified" = true')
    context = context_to(plugged, require_email_verification=True)
    checked = result_of(sign_in.check_password(context, here, body(planted)))
    engine.run(change)
    before = engine.run('select count(*) from "session"'), engine.run("select * from audit_log")
    with pytest.raises(refusal):
        result_of(sign_in.sign_in_email(context, body(planted), checked))
    assert (
        engine.run('select count(*) from "session"'),
        engine.run("select * from audit_log"),
    ) == before


@pytest.mark.parametrize("column", ["banned", "twoFactorEnabled"])
def test_a_wrong_password_is_refused_first(
    engine: Engine, plugged: Store, planted: Tenant, column: str
) -> None:
    engine.run(f'update "user" set "{column}" = true')
    context = context_to(plugged, require_email_verification=True)
    with pytest.raises(SignInRefused):
        result_of(sign_in.check_password(context, here, body(planted, "wrong")))
