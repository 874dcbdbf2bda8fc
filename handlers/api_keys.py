"""API keys: create, list, read, update and revoke."""

import dataclasses
from typing import Any

from hookstream_keys.auth import key_rights, verification
from hookstream_keys.contract import types
from hookstream_keys.domain import ids, keys, networks, timestamps, versions
from hookstream_keys.domain.errors import Conflict, EnvironmentNotFound
from hookstream_keys.domain.limits import Limit
from hookstream_keys.domain.scopes import Scopes
from hookstream_keys.handlers import access, audit, escalation, pagination, rotations
from hookstream_keys.handlers.context import Answer, RequestContext, WriteContext
from hookstream_keys.handlers.descendants import count_rotated, revocation_by, when_revoked
from hookstream_keys.store import (
    ApiKey,
    ForeignKeyViolation,
    IdempotentReplay,
    KeyUsage,
    Rotation,
)

#: What a key is shown with that no change of it has made.
_NO_CHANGES = frozenset(
    {"state", "request_count", "last_used_at", "last_used_ip", "failed_attempts"}
)


async def create_api_key(context: WriteContext, body: types.CreateApiKeyRequest) -> Answer:
    """Issue a key for an environment and show it once."""
    environment = await access.authorize_environment(
        context, "api-keys:create", org_id=body["org_id"], env_id=body["env_id"]
    )
    new = keys.generate(environment.mode, context.random)
    holder = await escalation.rights_of(context, environment.org_id)
    key = ApiKey(
        id=ids.new("ak", context.random),
        org_id=environment.org_id,
        env_id=environment.id,
        prefix=new.prefix,
        created_by=audit.actor(context),
        created_at=timestamps.to_text(context.now),
        **{"role": holder.role, **_rules(body)},
    )
    escalation.forbid_in_new_key(context, holder, key)
    restricted_by = key_rights.restrictions_of_new(key, holder.role)
    if restricted_by:
        key = dataclasses.replace(key, restricted_by=restricted_by)
    created = {
        "id": key.id,
        "name": key.name,
        "key": new.secret,
        "key_prefix": key.prefix,
        "scopes": key.scopes,
        "created_at": key.created_at,
    }
    answer: Answer = (created, 201, {"Cache-Control": "no-store"})
    event = audit.key_created(context, key, new.digest)
    record = context.idempotency_record(answer)
    quota = context.dependencies.quotas.keys_per_environment
    try:
        await context.store.add_key(key, new.digest, event, record, quota)
    except ForeignKeyViolation:
        raise EnvironmentNotFound from None
    except IdempotentReplay as repeated:
        await _forbid_in_replay(context, repeated)
        raise
    return answer


async def list_api_keys(
    context: RequestContext,
    limit: int,
    cursor: str | None = None,
    org_id: str | None = None,
    env_id: str | None = None,
    created_by: str | None = None,
    rotated_by: str | None = None,
    name: str | None = None,
    state: types.KeyState | None = None,
) -> Answer:
    """Show a page of the keys that the caller can see, newest first."""
    wanted = dataclasses.replace(
        await access.key_filter(context, org_id, env_id),
        created_by=created_by,
        rotated_by=rotated_by,
        name=name,
        state=state,
    )
    return await pagination.answer_scanned(
        "api_keys",
        limit,
        cursor,
        lambda page: context.store.list_keys(wanted, page),
        lambda found: views(context, found),
    )


async def get_api_key(context: RequestContext, id: str) -> Answer:
    """Show one key."""
    return await _answer(context, await access.authorize_key(context, "api-keys:read", id))


async def update_api_key(context: WriteContext, id: str, body: types.UpdateApiKeyRequest) -> Answer:
    """Change a key's name or rules, but not its secret."""
    key = await access.authorize_key(context, "api-keys:update", id)
    changes = _rules(body)
    wanted = dataclasses.replace(key, **changes)
    changes["restricted_by"] = await escalation.authorize_change(context, key, wanted, given=body)
    if key.revoked_at is None:
        await _require_version(context, key)
    event = audit.key_updated(context, key, changes)
    now = timestamps.to_text(context.now)
    # An expired key that becomes valid again counts as a new one.
    is_added = _has_expired(key, now) and not _has_expired(wanted, now)
    quota = context.dependencies.quotas.keys_per_environment if is_added else None
    changed = await context.store.update_key(key.org_id, key.id, changes, event, quota)
    if changed is None:
        raise Conflict("The key is revoked permanently and cannot be changed.")
    if key.rate_limit is not None and changed.rate_limit is None:
        # A changed limit takes over what was used; one that is set later begins anew.
        await verification.forget_limit(context.dependencies.counters, key.id, key.rate_limit)
    return await _answer(context, changed)


async def revoke_api_key(
    context: WriteContext, id: str, reason: types.RevocationReason, *, descendants: bool
) -> Answer:
    """Revoke a key permanently, optionally with its descendants. Revoking twice has no effect."""
    key = await access.authorize_key(context, "api-keys:revoke", id)
    await _require_version(context, key)
    now = timestamps.to_text(context.now)
    event = audit.key_revoked(context, key, reason)
    if not descendants:
        done = await context.store.revoke_key(key.org_id, key.id, now, reason, event)
        return None, 204, {"X-Revoked-Keys": str(done.keys_revoked)}
    work = revocation_by(context.dependencies.sources, event, reason, key.id, None)
    progress = await context.store.revoke_key(key.org_id, key.id, now, reason, event, work)

    async def answer(revoked: int) -> Answer:
        rotated = await count_rotated(context, key.id, key.org_id)
        counts = {"X-Revoked-Keys": revoked, "X-Rotated-Keys": sum(rotated.values())}
        return None, 204, {name: str(count) for name, count in counts.items()}

    return when_revoked(context, event.id, progress, answer), 204


async def revoke_by_secret(context: WriteContext, body: types.RevokeBySecretRequest) -> Answer:
    """Revoke the key of this secret, which authorizes that.

    As in RFC 7009, the response does not tell whether the key exists.
    """
    # A leaked key is often pasted, and 204 must mean that it is revoked.
    digest = keys.digest_of(body["key"].strip(" \t\r\n"), context.random)
    if digest is not None:
        now, reason = timestamps.to_text(context.now), body["reason"]
        key = await context.store.find_key(digest)
        if key is not None and verification.may_revoke(key, now):
            await context.store.revoke_key(
                key.org_id, key.id, now, reason, audit.key_revoked(context, key, reason)
            )
    return None, 204


async def _forbid_in_replay(context: WriteContext, repeated: IdempotentReplay) -> None:
    """Refuse an idempotent replay with a secret to a caller whose rights no longer cover the key.

    Raises as `escalation.forbid_in_new_secret`.
    """
    if context.idempotent_request is None:
        return
    body, *_ = context.idempotent_request.answer(repeated.record)
    key = await context.store.find_key_by_id(body["id"])
    if key is not None:
        holder = await escalation.rights_of(context, key.org_id)
        escalation.forbid_in_new_secret(context, holder, key, key, given=())


async def views(context: RequestContext, found: list[ApiKey]) -> list[dict[str, Any]]:
    """Keys as the API shows them, without their secrets: `ApiKey` of the document."""
    now = timestamps.to_text(context.now)
    ids_of = [key.id for key in found]
    under_way = await context.store.rotations_of(ids_of, now)
    usage = await context.store.usage_of(ids_of)
    return [_view(key, now, under_way[key.id], usage[key.id]) for key in found]


async def _require_version(context: WriteContext, key: ApiKey) -> None:
    if context.if_match is not None:
        (shown,) = await views(context, [key])
        context.require_version(_version(shown))


async def _answer(context: RequestContext, key: ApiKey) -> Answer:
    (shown,) = await views(context, [key])
    return {"api_key": shown}, 200, {"ETag": _version(shown)}


def _version(shown: dict[str, Any]) -> str:
    """The version of a key. It does not change by itself: neither by uses, nor by an expiry."""
    return versions.version_of(shown, without=_NO_CHANGES)


def _view(key: ApiKey, now: str, under_way: list[Rotation], usage: KeyUsage) -> dict[str, Any]:
    used = usage.used
    return {
        "id": key.id,
        "org_id": key.org_id,
        "env_id": key.env_id,
        "name": key.name,
        # Hookstream's reference and its guide have different names for it.
        "prefix": key.prefix,
        "key_prefix": key.prefix,
        "scopes": key.scopes,
        "role": key.role,
        "restricted_by": dict(key.restricted_by),
        "state": _state(key, now),
        "enabled": key.enabled,
        "expires_at": key.expires_at,
        "allowed_ips": list(key.allowed_ips),
        "metadata": dict(key.metadata),
        "external_id": key.external_id,
        "rate_limit": limit_view(key),
        "rotations": rotations.views(key, under_way, now),
        "request_count": used.times if used else 0,
        "last_used_at": used and used.last_at,
        "last_used_ip": used and used.last_ip,
        "failed_attempts": [
            {
                "reason": attempts.outcome,
                "count": attempts.times,
                "last_at": attempts.last_at,
                "last_ip": attempts.last_ip,
            }
            for attempts in usage.refused
        ],
        "created_by": key.created_by,
        "created_at": key.created_at,
        "revoked": int(key.revoked_at is not None),
        "revoked_at": key.revoked_at,
        "revocation_reason": key.revocation_reason,
    }


def limit_view(key: ApiKey) -> dict[str, int] | None:
    """A key's rate limit as the API shows it: `RateLimit` of the document."""
    limit = key.rate_limit
    return limit and {"requests": limit.requests, "window_seconds": limit.seconds}


def _state(key: ApiKey, now: str) -> types.KeyState:
    if key.revoked_at is not None:
        return "revoked"
    if not key.enabled:
        return "disabled"
    return "expired" if _has_expired(key, now) else "active"


def _has_expired(key: ApiKey, now: str) -> bool:
    return key.expires_at is not None and key.expires_at <= now


def _rules(body: types.CreateApiKeyRequest | types.UpdateApiKeyRequest) -> dict[str, Any]:
    """The fields of a key in `body`, in their stored form."""
    as_they_are = {"name", "role", "enabled", "metadata", "external_id"}
    rules: dict[str, Any] = {name: value for name, value in body.items() if name in as_they_are}
    if "scopes" in body:
        rules["scopes"] = str(Scopes.parse(body["scopes"]))
    if "expires_at" in body:
        text = body["expires_at"]
        rules["expires_at"] = text and timestamps.to_text(timestamps.from_text(text))
    if "allowed_ips" in body:
        rules["allowed_ips"] = networks.canonical(body["allowed_ips"])
    if "rate_limit" in body:
        limit = body["rate_limit"]
        rules["rate_limit"] = limit and Limit(limit["requests"], limit["window_seconds"])
    return rules
