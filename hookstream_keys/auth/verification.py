"""Whether a key is valid: one rule for all callers.

The checks have a fixed order, cheapest first: a malformed key never reaches the database. Nothing
is cached here, and in the store a key is only used again if nothing was committed, so a revocation
takes effect as soon as it is committed.
"""

import dataclasses
from collections.abc import Awaitable, Callable

from hookstream_keys.contract.types import VerificationCode
from hookstream_keys.domain import networks
from hookstream_keys.domain.limits import Decision, Limit
from hookstream_keys.domain.records import record
from hookstream_keys.domain.scopes import Scopes
from hookstream_keys.runtime import rate_limit_names
from hookstream_keys.runtime.counters import Counters
from hookstream_keys.store import ApiKey, ReadStore, Rotation


@record
class Use:
    """What a key is verified for."""

    #: The moment, as `hookstream_keys.domain.timestamps` writes it.
    now: str
    #: The end client's address. A key that is bound to addresses is invalid without one.
    ip: str | None = None
    #: Scopes that the key must cover, all of them.
    scopes: tuple[str, ...] = ()


@record
class Verification:
    """The outcome, the key if it exists, and the rule that failed, if any."""

    code: VerificationCode
    key: ApiKey | None = None
    rule: str | None = None
    #: The decision of the key's own limit, where it was checked.
    limit: Decision | None = None


async def verify(
    store: ReadStore,
    digest: bytes | None,
    use: Use,
    is_visible: Callable[[ApiKey], Awaitable[bool]] | None = None,
) -> Verification:
    """Find the key with a secret of this digest, and say whether it is valid for `use`.

    `digest` is `keys.digest_of` of the text that was sent. A key that the caller cannot see is
    NOT_FOUND, as a nonexistent one. The use is not counted yet: `consume_limit`.
    """
    if digest is None:
        return Verification("MALFORMED", rule="form")
    found = await store.find_key(digest)
    if found is None or not (is_visible is None or await is_visible(found)):
        return Verification("NOT_FOUND", rule="exists")
    key = effective_key(found)
    code, rule = _first_failure(key, use)
    return Verification(code, key, rule)


async def consume_limit(found: Verification, counters: Counters | None) -> Verification:
    """Count the use of a valid key for its own limit; returns whether that allows it."""
    key = found.key
    if found.code != "VALID" or key is None or key.rate_limit is None or counters is None:
        return found
    decision = await consume(counters, key.id, key.rate_limit)
    if not decision.allowed:
        return Verification("RATE_LIMITED", key, "limit", decision)
    return Verification("VALID", key, limit=decision)


async def consume(counters: Counters, key_id: str, limit: Limit) -> Decision:
    """Count a use of a key for its own limit."""
    return await counters.consume(rate_limit_names.of_key(key_id), limit)


async def forget_limit(counters: Counters | None, key_id: str, limit: Limit) -> None:
    """Forget the uses of a key that had this limit of its own."""
    if counters is not None:
        await counters.forget(rate_limit_names.of_key(key_id), limit)


def effective_key(key: ApiKey) -> ApiKey:
    """The key as it applies to the secret that it was found by, which a rotation may limit.

    The new secret of a rotation may have an expiry of its own, the old one has its grace period; a
    cancelled one counts as revoked.
    """
    rotation = key.rotation
    match rotation:
        case None:
            return key
        case Rotation(state="pending", sets_expiry=True):
            end = rotation.expires_at
        case Rotation(state="grace"):
            # A tilde sorts after every time. An earlier expiry of the key applies to every secret.
            end = min(rotation.expires_at or "~", key.expires_at or "~")
        case _:
            end = key.expires_at
    cancelled = rotation.created_at if rotation.state == "cancelled" else None
    return dataclasses.replace(
        key, prefix=rotation.prefix, expires_at=end, revoked_at=key.revoked_at or cancelled
    )


def may_revoke(key: ApiKey, now: str) -> bool:
    """Whether the secret that the key was found by authorizes revoking the key.

    Its own secret always does; another one as long as it is valid.
    """
    if key.rotation is None:
        return True
    return is_active(effective_key(key), now)


def is_active(key: ApiKey, now: str) -> bool:
    """Whether the key is neither revoked nor expired."""
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


def activates(found: Verification) -> Rotation | None:
    """The rotation that the use of a valid key activates, if any."""
    return pending(found.key) if found.code == "VALID" and found.key is not None else None


def pending(key: ApiKey) -> Rotation | None:
    """The rotation that using the key by its secret now would activate."""
    rotation = key.rotation
    return rotation if rotation is not None and rotation.state == "pending" else None


def _first_failure(key: ApiKey, use: Use) -> tuple[VerificationCode, str | None]:
    """The first rule that a key does not pass, in the order that the response promises."""
    if key.revoked_at is not None:
        return "REVOKED", "revoked"
    if not key.enabled:
        return "DISABLED", "enabled"
    if key.expires_at is not None and key.expires_at <= use.now:
        return "EXPIRED", "expired"
    if key.allowed_ips and not networks.contain(key.allowed_ips, use.ip):
        return "IP_NOT_ALLOWED", "address"
    if use.scopes and Scopes.parse(key.scopes).beyond(use.scopes):
        return "INSUFFICIENT_SCOPE", "scopes"
    return "VALID", None
