"""What every guard decides: what to ask the service, and what its answer means for the request.

No framework here, and no input or output but that of the client.

A guard fails closed: a request passes only if the service says that the key is valid. Whatever else
happens, it is rejected; with 503 if the service cannot be asked.
"""

import ipaddress
import logging
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from hookstream_keys_client.client import AsyncClient, Client
from hookstream_keys_client.errors import ApiError, HookstreamError, ServerError
from hookstream_keys_client.operations import verify_api_key
from hookstream_keys_client.responses import Secret
from hookstream_keys_client.retries import Retries
from hookstream_keys_client.types import Verification, VerifyRequest

log = logging.getLogger("hookstream_keys_client.guards")

#: Finds a header field by its name, in any case.
Headers = Callable[[str], str | None]
Source = Literal["bearer", "x-api-key"]

#: `RequiredScopes` of the API.
_SCOPE = r"(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,63}:(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,63}))"
_SCOPES = re.compile(rf"{_SCOPE}([ ,] ?{_SCOPE})*")
_MAX_SCOPES = 1000
#: The longest text that the API accepts as a key.
_MAX_SECRET = 512
#: A request waits for the retries of its verification. So there is at most one, soon, and none
#: after a 503 or 429 with a `Retry-After` above 0, which is passed on instead of waited for.
RETRIES = Retries(count=1, first_delay=0.05, max_retry_after=0)
#: What the API counts, requests and seconds, is below it: 32 bits.
_MAX_NUMBER = 2**31 - 1
#: Seconds that a verification may take: far above what it takes, below what users wait for.
DEADLINE = 2.5
_MAX_DEADLINE = 60
#: Seconds to wait for a service that cannot be asked and names no time.
_RETRY_AFTER = 1

#: The status of a response to a key with this verification code. All of 401 get the same response,
#: so that it does not tell whether a guessed or stolen key exists; the log has the code.
STATUSES: Mapping[str, HTTPStatus] = {
    "MALFORMED": HTTPStatus.UNAUTHORIZED,
    "NOT_FOUND": HTTPStatus.UNAUTHORIZED,
    "REVOKED": HTTPStatus.UNAUTHORIZED,
    "DISABLED": HTTPStatus.UNAUTHORIZED,
    "EXPIRED": HTTPStatus.UNAUTHORIZED,
    "IP_NOT_ALLOWED": HTTPStatus.UNAUTHORIZED,
    "INSUFFICIENT_SCOPE": HTTPStatus.FORBIDDEN,
    "RATE_LIMITED": HTTPStatus.TOO_MANY_REQUESTS,
}
#: The status for a code that a later server adds.
UNKNOWN_CODE = HTTPStatus.FORBIDDEN


@dataclass(frozen=True)
class Principal:
    """The caller: their key, as the service has verified it. A guard gives it to the view."""

    #: The key's ID, its organization and its environment.
    key_id: str
    org_id: str
    env_id: str
    #: Display name.
    name: str
    #: The key's first 12 characters.
    key_prefix: str
    #: All scopes of the key, separated by spaces; they may be wildcards.
    scopes: str
    #: When the key expires, RFC 3339; None for never.
    expires_at: str | None
    #: What was stored with the key: names and texts.
    metadata: Mapping[str, str]
    #: The key's identifier in a system of yours.
    external_id: str | None
    #: `RateLimit-*` headers of the key's own limit, for the response; empty if it has none.
    rate_limit_headers: Mapping[str, str] = field(default_factory=dict)


class Rejected(Exception):
    """A request that does not pass: the response to it. It holds no secret."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str]) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = int(status)
        #: The stable name of the error, as the API names its own.
        self.code = code
        self.message = message
        self.headers = dict(headers)

    @property
    def rate_limit_headers(self) -> dict[str, str]:
        """The `RateLimit-*` headers of the response."""
        prefix = "RateLimit-"
        return {name: text for name, text in self.headers.items() if name.startswith(prefix)}

    @property
    def body(self) -> dict[str, Any]:
        """The body of the response, in the form of the API's errors."""
        return {"error": self.message, "status": self.status, "code": self.code}


@dataclass(frozen=True)
class Rules:
    """How a guard reads requests and answers them. Raises ValueError for values that it refuses."""

    #: The name of the protected area in `WWW-Authenticate`.
    realm: str = "api"
    #: The environment that keys must belong to; by default, that of the guard's own key.
    env_id: str | None = None
    #: Where the key may stand: `Authorization: Bearer`, `X-API-Key`, or both.
    sources: tuple[Source, ...] = ("bearer", "x-api-key")
    #: The retries of a verification, instead of the client's.
    retries: Retries = RETRIES
    #: Seconds that a verification may take in all, whatever the client's timeout; then it is 503.
    #: A request waits for it, so a service that hangs would block all workers of an application.
    deadline: float = DEADLINE

    def __post_init__(self) -> None:
        if not 0 < self.deadline <= _MAX_DEADLINE:
            raise ValueError("deadline is a number of seconds above 0, at most 60, such as 2.5")
        if not re.fullmatch(r"[ !#-\[\]-~]+", self.realm):
            raise ValueError("realm is text in ASCII without quotes and backslashes, such as api")
        if not self.sources or not set(self.sources) <= {"bearer", "x-api-key"}:
            raise ValueError("sources are 'bearer', 'x-api-key', or both")

    def question(self, headers: Headers, scopes: str | None, address: str | None) -> VerifyRequest:
        """What to ask the service about a request. Raises Rejected if it has no key, or two."""
        question: VerifyRequest = {"key": self._key(headers)}
        if scopes:
            question["scopes"] = scopes
        if self.env_id is not None:
            question["env_id"] = self.env_id
        known = ip_address(address)
        if known is not None:
            question["ip"] = known
        return question

    def principal(self, found: Verification, scopes: str | None) -> Principal:
        """The caller, if the key is valid. Raises Rejected."""
        if found.get("code") != "VALID" or found.get("valid") is not True:
            raise self._refusal(found, scopes)
        try:
            key = found["api_key"]
            return Principal(
                key_id=_text(key["id"]),
                org_id=_text(key["org_id"]),
                env_id=_text(key["env_id"]),
                name=_text(key["name"]),
                key_prefix=_text(key["key_prefix"]),
                scopes=_text(key["scopes"]),
                expires_at=_text_or_none(key["expires_at"]),
                metadata={_text(name): _text(text) for name, text in key["metadata"].items()},
                external_id=_text_or_none(key["external_id"]),
                rate_limit_headers=_rate_limit_headers(found),
            )
        except (KeyError, TypeError, AttributeError) as error:
            log.exception("the service's answer to a verification has another form")
            raise unavailable() from error

    def has_key(self, headers: Headers) -> bool:
        """Whether a request has a key, valid or not."""
        return bool(self._keys(headers))

    def challenge(self, **parameters: str) -> str:
        """The challenge of RFC 6750, section 3."""
        given = {"realm": self.realm, **parameters}
        return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in given.items())

    def _keys(self, headers: Headers) -> set[str]:
        """The keys that a request has in the sources."""
        scheme, _, token = (headers("authorization") or "").strip().partition(" ")
        found = {
            "bearer": token.strip() if scheme.lower() == "bearer" else "",
            "x-api-key": (headers("x-api-key") or "").strip(),
        }
        return {found[source] for source in self.sources} - {""}

    def _key(self, headers: Headers) -> Secret:
        found = self._keys(headers)
        if not found:
            raise self._unauthorized(sent=False)
        if len(found) > 1:
            # RFC 6750, section 3.1: more than one method. A proxy may have looked at the other one.
            challenge = self.challenge(error="invalid_request")
            message = "Send one key: in Authorization: Bearer or in X-API-Key, not two."
            raise Rejected(
                HTTPStatus.BAD_REQUEST, "bad_request", message, {"WWW-Authenticate": challenge}
            )
        key = Secret(found.pop())
        if len(key) > _MAX_SECRET:
            raise self._refusal({"valid": False, "code": "MALFORMED"}, None)
        return key

    def _refusal(self, found: Verification, scopes: str | None) -> Rejected:
        """The response for a key that is not valid for this request."""
        code = found.get("code")
        key_id = _object(found, "api_key").get("id")
        log.info("rejected a request: code=%s key_id=%s", code, key_id)
        if code == "VALID" or not isinstance(code, str):
            log.error("the service's answer to a verification contradicts itself")
            return unavailable()
        status = STATUSES.get(code, UNKNOWN_CODE)
        if status == HTTPStatus.UNAUTHORIZED:
            return self._unauthorized(sent=True)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            headers = _rate_limit_headers(found)
            seconds = _number(_object(found, "rate_limit").get("retry_after_seconds"))
            headers["Retry-After"] = str(_RETRY_AFTER if seconds is None else seconds)
            message = "The key is used more often than its own limit allows."
            return Rejected(HTTPStatus.TOO_MANY_REQUESTS, "rate_limited", message, headers)
        if code == "INSUFFICIENT_SCOPE":
            challenge = self.challenge(error="insufficient_scope", scope=_canonical(scopes or ""))
            message = f"The key's scopes do not cover {_canonical(scopes or '')}."
            headers = {"WWW-Authenticate": challenge}
            return Rejected(HTTPStatus.FORBIDDEN, "insufficient_scope", message, headers)
        return Rejected(
            HTTPStatus.FORBIDDEN, "forbidden", "The key is not accepted for this request.", {}
        )

    def _unauthorized(self, *, sent: bool) -> Rejected:
        if sent:
            message = (
                "The key is not valid: unknown, revoked, disabled, expired or not allowed here."
            )
            challenge = self.challenge(error="invalid_token")
        else:
            # RFC 6750, section 3.1: no error code when no credential was sent.
            places = {"bearer": "Authorization: Bearer", "x-api-key": "X-API-Key"}
            where = " or ".join(places[source] for source in self.sources)
            message = f"No key was sent. Send an API key in {where}."
            challenge = self.challenge()
        return Rejected(
            HTTPStatus.UNAUTHORIZED, "unauthorized", message, {"WWW-Authenticate": challenge}
        )


def required_scopes(text: str | None) -> str | None:
    """Check the scopes that a view requires, when it is defined. Raises ValueError.

    None and an empty text require none: any valid key passes.
    """
    if not text:
        return None
    if len(text) > _MAX_SCOPES or not _SCOPES.fullmatch(text):
        raise ValueError("scopes are resource:action separated by spaces, such as 'events:read'")
    return text


def ip_address(text: str | None) -> str | None:
    """A client address as the API accepts it; None for what is no address.

    Without an address, the service refuses a key that is bound to networks. An IPv4 address that a
    socket for IPv6 shows as `::ffff:192.0.2.1` is `192.0.2.1`.
    """
    try:
        address = ipaddress.ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def unavailable(retry_after: float | None = None) -> Rejected:
    """The response if the service cannot be asked: 503, whatever the reason."""
    seconds = _RETRY_AFTER if retry_after is None else math.ceil(retry_after)
    headers = {"Retry-After": str(seconds)}
    message = "Keys cannot be verified at the moment; try again."
    return Rejected(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", message, headers)


def check(
    client: Client, rules: Rules, headers: Headers, scopes: str | None, address: str | None
) -> Principal:
    """Verify the key of a request, which must cover `scopes`. Raises Rejected."""
    question = rules.question(headers, scopes, address)
    try:
        found = client.send(verify_api_key(**question), rules.retries, rules.deadline)
    except HookstreamError as error:
        raise _cannot_ask(error) from error
    return rules.principal(found, scopes)


async def check_async(
    client: AsyncClient, rules: Rules, headers: Headers, scopes: str | None, address: str | None
) -> Principal:
    """Verify the key of a request, which must cover `scopes`. Raises Rejected."""
    question = rules.question(headers, scopes, address)
    try:
        found = await client.send(verify_api_key(**question), rules.retries, rules.deadline)
    except HookstreamError as error:
        raise _cannot_ask(error) from error
    return rules.principal(found, scopes)


def _cannot_ask(error: HookstreamError) -> Rejected:
    if isinstance(error, ApiError) and not isinstance(error, ServerError):
        # The guard's own key, address or environment: no caller can change that.
        log.error("the service refuses to verify keys for this guard: %s", error)
    else:
        log.warning("the service cannot be asked: %s", error)
    return unavailable(error.retry_after if isinstance(error, ApiError) else None)


def _rate_limit_headers(found: Verification) -> dict[str, str]:
    """The headers of the key's own limit, as the API has them for its own."""
    state = _object(found, "rate_limit")
    limit = _object(_object(found, "api_key"), "rate_limit")
    values = {
        "RateLimit-Limit": _number(limit.get("requests")),
        "RateLimit-Remaining": _number(state.get("remaining")),
        "RateLimit-Reset": _number(state.get("reset_seconds")),
    }
    if None in values.values():
        return {}
    return {name: str(value) for name, value in values.items()}


def _number(value: object) -> int | None:
    """A whole number that can stand in a header field; None for anything else."""
    # `True` is an int, which no header field has.
    return value if type(value) is int and 0 <= value <= _MAX_NUMBER else None


def _text(value: object) -> str:
    """A text. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} in the place of a text")
    return value


def _text_or_none(value: object) -> str | None:
    """A text or None. Raises TypeError."""
    return None if value is None else _text(value)


def _object(parent: Mapping[str, object], name: str) -> Mapping[str, Any]:
    """A member that is an object; an empty one if it is missing, or anything else."""
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _canonical(scopes: str) -> str:
    """Scopes separated by spaces, as RFC 6750 has them."""
    return " ".join(re.split("[ ,]+", scopes))
