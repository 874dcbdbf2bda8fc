import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator

from hookstream_keys.contract import spec
from hookstream_keys.contract.closed_responses import closed_responses
from hookstream_keys.domain import errors, ids
from hookstream_keys.domain.errors import ApiError, BadRequest, Detail, Unauthorized, Unavailable
from hookstream_keys.domain.limits import SECOND, Limit, decide
from hookstream_keys.domain.quotas import Quota

DOCUMENT = closed_responses(spec.document())
REFUSED = decide(Limit(1, 60), 60 * SECOND, 0, 1)[1]
ERROR = DOCUMENT["components"]["schemas"]["ErrorResponse"]


def kinds(root: type[ApiError] = ApiError) -> Iterator[type[ApiError]]:
    # Without the sandbox's, which have any status.
    if root.__module__ == ApiError.__module__:
        yield root
    for kind in root.__subclasses__():
        yield from kinds(kind)


def faults(body: dict[str, Any]) -> list[str]:
    schema = {"allOf": [ERROR], "components": DOCUMENT["components"]}
    return [error.message for error in OAS30Validator(schema).iter_errors(body)]


def every_error() -> list[ApiError]:
    details = [Detail("body", "is wrong")]
    taking_a_message = [
        kind("It went wrong.", details=details)
        for kind in kinds()
        if kind.__init__ is ApiError.__init__
    ]
    return [
        *taking_a_message,
        Unauthorized(credential_sent=True),
        Unauthorized(credential_sent=False),
        errors.EnvironmentNotFound(),
        errors.KeyNotFound(),
        errors.MemberNotFound(),
        errors.MemberNotVerified(),
        errors.RotationNotFound(),
        errors.UserNotFound(),
        errors.NoSuchUser(),
        errors.StoredIncompletely(),
        errors.StoredPerhaps(),
        errors.OrganizationNotFound(),
        errors.InsufficientScope("Its scopes do not cover it.", details=details),
        errors.IdempotencyKeyReused("It was used before."),
        errors.QuotaExceeded(Quota(7, "HOOKSTREAM_MAX_THINGS", "At most {} things.", "Delete one")),
        errors.RateLimited("Slow down.", REFUSED),
        errors.SignInRefused(),
        errors.SignInClosed(),
        errors.EmailNotVerified(),
        errors.UserBanned(),
        errors.TwoFactorRequired(),
        errors.SignUpClosed(),
        errors.UntrustedRedirect(),
        errors.UserExists(),
        errors.PreconditionFailed(),
        errors.InternalError(),
        errors.Overloaded(),
        errors.TooExpensive(),
        Unavailable(),
    ]


def test_the_codes_are_those_of_the_document() -> None:
    documented = DOCUMENT["components"]["schemas"]["ErrorCode"]["enum"]
    assert {kind.code for kind in kinds()} == set(documented)


def test_every_kind_is_tried_here() -> None:
    # The base of the three that mask what exists is never raised itself.
    assert {type(error) for error in every_error()} == set(kinds()) - {errors.MaskedNotFound}


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_an_error_has_the_shape_of_the_document(error: ApiError) -> None:
    body = error.body(ids.new("req"))
    assert faults(body) == []
    assert body["status"] == error.status
    assert body["code"] == error.code
    assert str(error) == body["error"]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_a_class_says_which_status_it_is(error: ApiError) -> None:
    documented = re.match(r"(\d{3}): ", type(error).__doc__ or "")
    if type(error) is not ApiError:
        assert documented is not None
        assert int(documented[1]) == error.status


def test_without_details_there_is_no_member_for_them() -> None:
    assert "details" not in BadRequest("It went wrong.").body(ids.new("req"))


def test_too_many_and_too_long_details_are_cut_to_what_the_document_allows() -> None:
    details = [Detail("body/" + "x" * 1000, "y" * 1000) for _ in range(50)]
    body = BadRequest("It went wrong.", details=details).body(ids.new("req"))
    assert faults(body) == []
    assert len(body["details"]) == 10


def test_the_challenge_names_a_fault_only_when_a_credential_was_sent() -> None:
    refused = Unauthorized(credential_sent=True).headers["WWW-Authenticate"]
    asked = Unauthorized(credential_sent=False).headers["WWW-Authenticate"]
    assert refused.startswith("Bearer ")
    assert 'error="invalid_token"' in refused
    assert asked.startswith("Bearer ")
    assert "error" not in asked
    scope = errors.InsufficientScope("Its scopes do not cover it.").headers["WWW-Authenticate"]
    assert scope.startswith("Bearer ")
    assert 'error="insufficient_scope"' in scope


def test_unavailable_says_when_to_come_again() -> None:
    pattern = DOCUMENT["components"]["headers"]["RetryAfter"]["schema"]["pattern"]
    assert re.match(pattern, Unavailable().headers["Retry-After"])


def test_the_examples_of_the_document_match_the_messages() -> None:
    said = {error.message for error in every_error()}
    examples = {
        name: DOCUMENT["components"]["responses"][name]["content"]["application/json"]["example"]
        for name in (
            "Unauthorized",
            "EnvironmentNotFound",
            "ApiKeyNotFound",
            "OrganizationOrEnvironmentNotFound",
            "Unavailable",
        )
    }
    assert {example["error"] for example in examples.values()} <= said
