"""Verification of keys, for the services that accept them."""

from collections.abc import Awaitable, Callable
from typing import Any

from hookstream_keys.auth import verification
from hookstream_keys.context.principal import KeyPrincipal, SessionPrincipal
from hookstream_keys.contract import types
from hookstream_keys.domain import keys, networks, timestamps
from hookstream_keys.domain.errors import Forbidden, InsufficientScope, RateLimited, Unauthorized
from hookstream_keys.domain.limits import Decision
from hookstream_keys.domain.scopes import Scopes
from hookstream_keys.handlers import access, rotations
from hookstream_keys.handlers.api_keys import limit_view
from hookstream_keys.handlers.context import (
    Answer,
    RequestContext,
    RetryInWriteTransaction,
    WriteContext,
)
from hookstream_keys.runtime.refusals import Refused
from hookstream_keys.store import USED, ApiKey

IsVisible = Callable[[ApiKey], Awaitable[bool]]


async def verify_api_key(context: RequestContext, body: types.VerifyRequest) -> Answer:
    """Verify a key: whether it is valid, and if not, why."""
    (answer,) = await _verify(context, [body])
    return answer, 200


async def verify_api_keys(context: RequestContext, body: types.VerifyBatchRequest) -> Answer:
    """Verify several keys, in their order. An invalid one does not affect the others."""
    return {"results": await _verify(context, body["requests"])}, 200


async def authorize(context: RequestContext, scope: str | None = None) -> Answer:
    """Forward authentication: tell a reverse proxy whether a request may pass."""
    key = _own_key(context)
    wanted = Scopes.parse(scope).names if scope else ()
    beyond = key.scopes.beyond(wanted)
    if beyond:
        raise InsufficientScope(f"The key's scopes do not cover {' '.join(beyond)}.")
    decision = await record_use(context)
    return None, 204, {
        "X-Key-Id": key.key_id,
        "X-Org-Id": key.org_id,
        "X-Env-Id": key.env_id,
        "X-Scopes": str(key.scopes),
        # Of the key's own limit, where it has one, for the proxy to pass on.
        **(decision.headers() if decision else {}),
    }  # fmt: skip


async def whoami(context: RequestContext) -> Answer:
    """Return the authenticated principal."""
    match context.principal:
        case SessionPrincipal(user_id=user_id, session_id=session_id):
            return {"type": "session", "user_id": user_id, "session_id": session_id}, 200
        case _:
            key = _own_key(context)
            return {
                "type": "api_key",
                "key_id": key.key_id,
                "org_id": key.org_id,
                "env_id": key.env_id,
                "scopes": str(key.scopes),
                "role": key.role,
                "expires_at": key.expires_at,
            }, 200


async def record_use(context: RequestContext) -> Decision | None:
    """Record a use of the caller's key; returns the decision of its own limit, if any.

    A use counts for the limit, and the first use of a pending secret makes it the key's own. Raises
    RateLimited, or Unauthorized when the secret is no longer valid.
    """
    key = context.principal
    if not isinstance(key, KeyPrincipal):
        return None
    decision = None
    counters = context.dependencies.counters
    if key.rate_limit is not None and counters is not None:
        decision = await verification.consume(counters, key.key_id, key.rate_limit)
        if not decision.allowed:
            _count(context, key.key_id, key.prefix, key.org_id, "RATE_LIMITED", context.address)
            raise RateLimited("The key is used more often than its own limit allows.", decision)
    pending = key.pending_rotation
    if pending is not None and not await rotations.activate(context, key.key_id, pending):
        raise Unauthorized(credential_sent=True)
    _count(context, key.key_id, key.prefix, key.org_id, USED, context.address)
    return decision


def count(context: RequestContext, outcome: str) -> None:
    """Count a verification of the caller's key by its `outcome`."""
    if isinstance(context.principal, KeyPrincipal):
        key = context.principal
        _count(context, key.key_id, key.prefix, key.org_id, outcome, context.address)


def _count(
    context: RequestContext,
    key_id: str,
    prefix: str | None,
    org_id: str,
    outcome: str,
    address: str | None,
) -> None:
    """Count a use of a key, or a refusal, which goes on record as well."""
    now = timestamps.to_text(context.now)
    context.dependencies.count(key_id, outcome, now, address)
    if outcome != USED:
        attempts = (address, context.request_id, now, now, prefix, org_id)
        context.dependencies.note(Refused("api_key", key_id, outcome, *attempts))


def _own_key(context: RequestContext) -> KeyPrincipal:
    if not isinstance(context.principal, KeyPrincipal):
        raise Forbidden("Send an API key; sessions are not accepted here.")
    return context.principal


async def _verify(
    context: RequestContext, wanted: list[types.VerifyRequest]
) -> list[dict[str, Any]]:
    is_visible = access.key_check(context, "api-keys:verify")
    digests: list[bytes | None] = []
    for each in wanted:
        if "ip" in each:
            # It is compared with networks, and stored.
            each["ip"] = networks.canonical_address(each["ip"])
        digests.append(keys.digest_of(each["key"], context.random))
    if isinstance(context, WriteContext):
        # In order: what the first one activates may make the second one invalid.
        return [
            await _outcome(
                context, each, digest, await _find(context, each, digest, is_visible), is_visible
            )
            for each, digest in zip(wanted, digests, strict=True)
        ]
    if len(wanted) > 1:
        context.store.look_ahead(list(filter(None, digests)))
    found = [
        await _find(context, each, digest, is_visible)
        for each, digest in zip(wanted, digests, strict=True)
    ]
    if any(map(verification.activates, found)):
        # Nothing is counted yet: everything is verified again in the write transaction.
        raise RetryInWriteTransaction
    return [
        await _outcome(context, each, digest, of, is_visible)
        for each, digest, of in zip(wanted, digests, found, strict=True)
    ]


async def _find(
    context: RequestContext,
    wanted: types.VerifyRequest,
    digest: bytes | None,
    is_visible: IsVisible,
) -> verification.Verification:
    """Verify the key of this digest, except for its rate limit."""
    env_id = wanted.get("env_id")

    async def is_in_environment(key: ApiKey) -> bool:
        return env_id == key.env_id and await is_visible(key)

    return await verification.verify(
        context.store,
        digest,
        verification.Use(
            now=timestamps.to_text(context.now),
            ip=wanted.get("ip"),
            scopes=Scopes.parse(wanted["scopes"]).names if "scopes" in wanted else (),
        ),
        is_visible if env_id is None else is_in_environment,
    )


async def _outcome(
    context: RequestContext,
    wanted: types.VerifyRequest,
    digest: bytes | None,
    found: verification.Verification,
    is_visible: IsVisible,
) -> dict[str, Any]:
    """Record the use of a valid key; returns its outcome."""
    found = await verification.consume_limit(found, context.dependencies.counters)
    # Only in a write transaction: elsewhere `_verify` has found that none is pending.
    pending = verification.activates(found) if isinstance(context, WriteContext) else None
    if found.key and pending and not await rotations.activate(context, found.key.id, pending):
        # It was cancelled, or the key revoked, since it was looked at.
        found = await _find(context, wanted, digest, is_visible)
    answer: dict[str, Any] = {"valid": found.code == "VALID", "code": found.code}
    if found.key is not None:
        key = found.key
        _count(context, key.id, key.prefix, key.org_id, found.code, wanted.get("ip"))
        answer["api_key"] = _view(key)
        if found.limit is not None:
            answer["rate_limit"] = {
                "remaining": found.limit.remaining,
                "reset_seconds": found.limit.reset,
                "retry_after_seconds": found.limit.retry_after,
            }
        if wanted.get("explain"):
            answer["failed_rule"] = found.rule
    return answer


def _view(key: ApiKey) -> dict[str, Any]:
    """The response to a service: `VerifiedApiKey` of the document."""
    return {
        "id": key.id,
        "org_id": key.org_id,
        "env_id": key.env_id,
        "name": key.name,
        "key_prefix": key.prefix,
        "scopes": key.scopes,
        "expires_at": key.expires_at,
        "metadata": key.metadata,
        "external_id": key.external_id,
        "rate_limit": limit_view(key),
    }
