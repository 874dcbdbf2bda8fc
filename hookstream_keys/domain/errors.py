"""All error responses, in the format of `openapi.yaml`'s `Error`.

Handlers and middlewares raise these; `hookstream_keys.http.edge` maps them to responses. Messages
are for people, and never quote a value that the client sent, so that no secret reaches a log.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from hookstream_keys.domain.limits import Decision
from hookstream_keys.domain.quotas import Quota
from hookstream_keys.domain.records import record

#: The maximum of `ErrorDetail`s.
MAX_DETAILS = 10
MAX_DETAIL_LENGTH = 1000
MAX_LOCATION_LENGTH = 200

#: The challenge of RFC 6750, section 3.
CHALLENGE = 'Bearer realm="hookstream"'


@record
class Detail:
    """One error in a request: `location` such as `body/name`, and why."""

    location: str
    message: str


class ApiError(Exception):
    """An error response. Subclasses set `status` and `code`."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    #: What the access log tells of the error that the answer does not.
    log_reason: str | None = None

    def __init__(
        self,
        message: str,
        *,
        details: Sequence[Detail] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)[:MAX_DETAILS]
        self.headers = dict(headers or {})

    def body(self, request_id: str) -> dict[str, Any]:
        """The error as `openapi.yaml` describes it."""
        body: dict[str, Any] = {
            "error": self.message,
            "status": self.status,
            "request_id": request_id,
            "code": self.code,
        }
        if self.code.isupper():
            # better-auth's client, which uses these codes as well, reads `message`.
            body["message"] = self.message
        if self.details:
            body["details"] = [
                {
                    "location": detail.location[:MAX_LOCATION_LENGTH],
                    "message": detail.message[:MAX_DETAIL_LENGTH],
                }
                for detail in self.details
            ]
        return body


class BadRequest(ApiError):
    """400: the request is not valid by the specification."""

    status = 400
    code = "bad_request"


class Unauthorized(ApiError):
    """401: no valid credential."""

    status = 401
    code = "unauthorized"

    def __init__(self, *, credential_sent: bool) -> None:
        # RFC 6750, section 3.1: no error code when no credential was sent.
        challenge = CHALLENGE
        if credential_sent:
            # It does not tell which: the client may be one that found the credential.
            message = (
                "The credential is not valid: unknown, revoked, disabled, expired or not allowed "
                "from this IP address."
            )
            challenge += ', error="invalid_token"'
        else:
            message = (
                "No credential was sent. Send an API key in X-API-Key or Authorization: Bearer, "
                "or sign in."
            )
        super().__init__(message, headers={"WWW-Authenticate": challenge})


class Forbidden(ApiError):
    """403: the credential is valid, but not for this."""

    status = 403
    code = "forbidden"


class InsufficientScope(Forbidden):
    """403: the key's scopes do not cover the request."""

    code = "insufficient_scope"

    def __init__(self, message: str, *, details: Sequence[Detail] = ()) -> None:
        # RFC 6750, section 3: a token that does not enable access is challenged, too.
        challenge = f'{CHALLENGE}, error="insufficient_scope"'
        super().__init__(message, details=details, headers={"WWW-Authenticate": challenge})


class UntrustedOrigin(Forbidden):
    """403: a session cookie came with a request that another site's page may have made."""

    code = "untrusted_origin"


class SignUpClosed(ApiError):
    """403: sign-up is closed. better-auth answers 400, as if the request were not valid."""

    status = 403
    code = "EMAIL_PASSWORD_SIGN_UP_DISABLED"

    def __init__(self) -> None:
        super().__init__("Email and password sign up is not enabled")


class SignInRefused(ApiError):
    """401: unknown user or wrong password."""

    status = 401
    code = "INVALID_EMAIL_OR_PASSWORD"

    def __init__(self) -> None:
        super().__init__("Invalid email or password", headers={"WWW-Authenticate": CHALLENGE})


class SignInClosed(ApiError):
    """403: sign-in by password is disabled. better-auth answers 400."""

    status = 403
    code = "EMAIL_PASSWORD_DISABLED"

    def __init__(self) -> None:
        super().__init__("Email and password is not enabled")


class EmailNotVerified(ApiError):
    """403: the password is right, but the user's email address is not verified."""

    status = 403
    code = "EMAIL_NOT_VERIFIED"

    def __init__(self) -> None:
        super().__init__("Email not verified")


class UserBanned(ApiError):
    """403: the password is right, but an administrator has banned the user."""

    status = 403
    code = "BANNED_USER"

    def __init__(self) -> None:
        super().__init__(
            "You have been banned from this application. Please contact support if you believe "
            "this is an error."
        )


class TwoFactorRequired(ApiError):
    """403: the password is right, but the user has a second factor, not supported here."""

    status = 403
    code = "TWO_FACTOR_REQUIRED"

    def __init__(self) -> None:
        super().__init__(
            "Your account has two-factor authentication, which this server does not check. Sign in "
            "at better-auth; the session that it gives you is accepted here."
        )


class UntrustedRedirect(ApiError):
    """403: the redirect after sign-in is to an untrusted origin."""

    status = 403
    code = "INVALID_CALLBACK_URL"

    def __init__(self) -> None:
        details = [Detail("body/callbackURL", "is neither a path nor a URL of a trusted origin")]
        super().__init__("Invalid callbackURL", details=details)


class UserExists(ApiError):
    """409: a user has signed up with this email address."""

    status = 409
    code = "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL"

    def __init__(self) -> None:
        details = [Detail("body/email", "is in use")]
        super().__init__("User already exists. Use another email.", details=details)


class NotFound(ApiError):
    """404: the resource does not exist, or the caller may not know that it does."""

    status = 404
    code = "not_found"


class MaskedNotFound(NotFound):
    """404 for tenant isolation: an inaccessible resource is answered as a nonexistent one.

    Only the log tells which, to the operator: `masked` is true for one that exists.
    """

    text: ClassVar[str]

    def __init__(self, *, masked: bool = False) -> None:
        super().__init__(self.text)
        self.log_reason = "masked" if masked else "missing"


class EnvironmentNotFound(MaskedNotFound):
    """404: the environment does not exist, or the caller may not know that it does."""

    code = "environment_not_found"
    text = "Environment not found"


class KeyNotFound(MaskedNotFound):
    """404: the key does not exist, or the caller may not know that it does."""

    code = "api_key_not_found"
    text = "API key not found"


class OrganizationNotFound(MaskedNotFound):
    """404: the organization does not exist, or the caller may not know that it does."""

    code = "organization_not_found"
    text = "Organization not found"


class MemberNotFound(NotFound):
    """404: the organization has no such member."""

    code = "member_not_found"

    def __init__(self) -> None:
        super().__init__("Member not found")


class RotationNotFound(NotFound):
    """404: the key has no such rotation."""

    code = "rotation_not_found"

    def __init__(self) -> None:
        super().__init__("Rotation not found")


class UserNotFound(NotFound):
    """404: no user has signed up with this email address."""

    code = "user_not_found"

    def __init__(self) -> None:
        super().__init__(
            "No user has signed up with this email address.",
            details=[Detail("body/email", "no user with this email")],
        )


class NoSuchUser(NotFound):
    """404: no user has this email address or id, by which the operator named one."""

    code = "user_not_found"

    def __init__(self) -> None:
        super().__init__("No user has this email address or id.")


class RequestTimeout(ApiError):
    """408: the client took too long to send the request."""

    status = 408
    code = "request_timeout"


class PreconditionFailed(ApiError):
    """412: the resource is not the version that the client has read."""

    status = 412
    code = "precondition_failed"

    def __init__(self) -> None:
        super().__init__(
            "The resource has changed since the version that If-Match names. Read it again, and "
            "send its ETag.",
            details=[Detail("header/If-Match", "is not the version of the resource")],
        )


class Conflict(ApiError):
    """409: the resource's state does not allow this."""

    status = 409
    code = "conflict"


class MemberNotVerified(Conflict):
    """409: the email address of the future member is not verified."""

    code = "email_not_verified"

    def __init__(self) -> None:
        super().__init__(
            "This email address is not verified, so it may not belong to the user who signed up "
            "with it. Ask them to verify it at better-auth, or invite them there; where every user "
            "is known, an operator can set HOOKSTREAM_ADD_UNVERIFIED_MEMBERS=on.",
            details=[Detail("body/email", "is not verified")],
        )


class QuotaExceeded(Conflict):
    """409: one more resource would exceed a quota. Nothing was changed."""

    code = "quota_exceeded"

    def __init__(self, quota: Quota) -> None:
        super().__init__(quota.message)


class IdempotencyKeyReused(Conflict):
    """409: the key was used for another request, or the answer cannot be shown again."""

    code = "idempotency_key_reused"

    def __init__(self, message: str) -> None:
        details = [Detail("header/idempotency-key", "was used before")]
        super().__init__(message, details=details)


class MethodNotAllowed(ApiError):
    """405: the path exists, with other methods."""

    status = 405
    code = "method_not_allowed"


class ContentTooLarge(ApiError):
    """413: the body is over the limit."""

    status = 413
    code = "content_too_large"


class UriTooLong(ApiError):
    """414: the request target is over the limit."""

    status = 414
    code = "uri_too_long"


class UnsupportedMediaType(ApiError):
    """415: the body's media type is missing, or not one that the operation takes."""

    status = 415
    code = "unsupported_media_type"


class RateLimited(ApiError):
    """429: over a rate limit; nothing was done."""

    status = 429
    code = "rate_limited"

    def __init__(self, message: str, decision: Decision) -> None:
        super().__init__(message, headers=decision.headers())


class HeaderFieldsTooLarge(ApiError):
    """431: the header fields are over the limit."""

    status = 431
    code = "header_fields_too_large"


class InternalError(ApiError):
    """500: a defect of this server. The log has the details, under the request ID."""

    def __init__(self) -> None:
        super().__init__("Internal error. The server's log has details under this request_id.")


class Unavailable(ApiError):
    """503: the database is not available, or not in time."""

    status = 503
    code = "unavailable"

    def __init__(
        self, message: str = "The database is not available. Nothing was changed; try again."
    ) -> None:
        super().__init__(message, headers={"Retry-After": "1"})


class StoredIncompletely(Unavailable):
    """503: the change is stored, and the work that belongs to it goes on later."""

    def __init__(self) -> None:
        super().__init__(
            "The change is stored, but the database became unavailable before all that belongs to "
            "it was done: keys that were to be revoked may still be valid. The server completes it "
            "by itself; repeat the request until its answer is not 503 to know when."
        )


class StoredPerhaps(Unavailable):
    """503: the database did not say whether it has stored the change."""

    def __init__(self) -> None:
        super().__init__(
            "The database became unavailable while it stored the change, which may be stored or "
            "not: read it before you repeat the request, or repeat it with the same "
            "Idempotency-Key, if it had one."
        )


class TooExpensive(Unavailable):
    """503: the request needs more of the database's time than a request may have."""

    def __init__(self) -> None:
        super().__init__(
            "The request takes too much of the database's time, and was stopped. Nothing was "
            "changed; try again, with more filters if there are any."
        )


class Overloaded(Unavailable):
    """503: load shedding; the queue is full."""

    def __init__(self) -> None:
        super().__init__("The server is overloaded. Nothing was changed; try again.")
