"""docs/sign-in.md and docs/retention.md: the numbers, names and codes are those of the code."""

import re
from dataclasses import fields

import pytest
from support.readme import ROOT

from hookstream_keys.auth import sessions
from hookstream_keys.auth.sign_in_policy import SignInPolicy
from hookstream_keys.contract import spec
from hookstream_keys.domain import errors
from hookstream_keys.domain.limits import SECOND, Limit
from hookstream_keys.handlers import sign_in, throttle
from hookstream_keys.http import dispatch
from hookstream_keys.runtime import refusals, retention
from hookstream_keys.runtime.usage import FLUSH_SECONDS
from hookstream_keys.settings import Settings
from hookstream_keys.store import Ban, User

SIGN_IN = (ROOT / "docs" / "sign-in.md").read_text(encoding="utf-8")
RETENTION = (ROOT / "docs" / "retention.md").read_text(encoding="utf-8")
WORDS = " ".join(SIGN_IN.split())
CODES = spec.document()["components"]["schemas"]["ErrorCode"]["enum"]


def rows(page: str, heading: str) -> list[list[str]]:
    """The rows of the table with this heading."""
    table = page.partition(heading)[2].partition("\n\n")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def kinds(root: type[errors.ApiError] = errors.ApiError) -> list[type[errors.ApiError]]:
    return [root, *(each for kind in root.__subclasses__() for each in kinds(kind))]


def test_the_codes_have_the_statuses_that_are_shown() -> None:
    statuses = {kind.code: kind.status for kind in kinds()}
    shown = {row[2].strip("`"): int(row[1]) for row in rows(SIGN_IN, "| when | status | code |\n")}
    assert len(shown) == 5
    assert shown == {code: statuses[code] for code in shown}
    assert set(shown) <= set(CODES)


def test_the_policy_is_applied_in_the_order_of_the_table() -> None:
    user = User("usr_1", "Ada", "ada@example.com", "", "", ban=Ban(None), two_factor_enabled=True)
    told = [
        row[2].strip("`")
        for row in rows(SIGN_IN, "| when | status | code |\n")
        # A closed sign-in is refused before any user is read.
        if row[1] == "403" and row[0] != "`HOOKSTREAM_SIGN_IN=closed`"
    ]
    policy = SignInPolicy(requires_verified_email=True)
    found = []
    for changes in ({}, {"email_verified": True}, {"email_verified": True, "ban": None}):
        values = {name: getattr(user, name) for name in User.__dataclass_fields__} | changes
        with pytest.raises(errors.ApiError) as refused:
            policy.require_allowed(User(**values), "2026-11-24T12:00:00.000Z")
        found.append(refused.value.code)
    assert found == told


def test_the_lifetimes_are_the_defaults() -> None:
    assert f"lasts {sessions.LIFETIME.total_seconds():.0f} seconds (7 days)" in WORDS
    assert f"is {sessions.UPDATE_AGE.total_seconds():.0f} seconds (1 day) old" in WORDS
    assert (
        str(sessions.UPDATE_AGE.total_seconds()).split(".", 1)[0] == Settings().session_update_age
    )
    assert sessions.BRIEF_LIFETIME.days == 1
    assert f"at most {Settings().max_sessions_per_user} sessions" in WORDS
    assert f"`{sign_in.TOO_MANY}`" in WORDS


def test_the_limits_are_those_that_hold() -> None:
    limits = [
        throttle.ONE_USER,
        throttle.ONE_ADDRESS,
        throttle.RIGHT_OF_ONE_USER,
        throttle.RIGHT_FROM_ONE_ADDRESS,
    ]
    assert [row[1] for row in rows(SIGN_IN, "| what is counted | limit |\n")] == [
        in_words(limit) for limit in limits
    ]


def in_words(limit: Limit) -> str:
    seconds = limit.interval / SECOND
    then = {60: "1 a minute", 10: "1 in 10 seconds", 1: "1 a second", 0.2: "5 a second"}[seconds]
    return f"{limit.requests} at once, then {then}"


def test_the_queue_is_as_long_as_stated() -> None:
    assert f"runs {dispatch.PASSWORDS_AT_ONCE} at once" in WORDS
    assert f"up to {dispatch.PASSWORDS_WAITING} wait" in WORDS


def test_the_bounds_of_recorded_refusals() -> None:
    assert f"within {FLUSH_SECONDS:.0f} seconds" in WORDS
    assert refusals.WINDOW_SECONDS == 3600
    assert f"{refusals.MAX_ADDRESSES} addresses of a user or key" in WORDS
    assert f"at most {refusals.MAX_SUBJECTS} users and as many keys" in WORDS
    assert f"at most {refusals.MAX_KEYS_OF_ORGANIZATION} keys of one organization" in WORDS
    for reason in (sign_in.WRONG_PASSWORD, "EMAIL_NOT_VERIFIED", "BANNED_USER"):
        assert f"`{reason}`" in WORDS.partition("of a sign-in it is")[2]


@pytest.mark.parametrize("page", [SIGN_IN, RETENTION])
def test_every_setting_that_is_named_exists(page: str) -> None:
    known = {item.metadata["variable"] for item in fields(Settings)}
    named = set(re.findall(r"HOOKSTREAM_[A-Z_]+", page))
    assert named
    assert named <= known


def test_the_periods_are_the_defaults() -> None:
    defaults = {item.metadata["variable"]: item.default for item in fields(Settings)}
    shown = rows(RETENTION, "| rows | setting | default |\n")
    assert {row[1].strip("`"): row[2].split()[0] for row in shown} == {
        name: default for name, default in defaults.items() if "_RETENTION_" in name
    }
    assert f"up to {retention.BATCH} in one transaction" in " ".join(RETENTION.split())
