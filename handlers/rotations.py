"""Rotations: a new secret for a key, with a grace period for the old one."""

import dataclasses
from datetime import timedelta
from typing import Any

from hookstream_keys.auth import key_rights, verification
from hookstream_keys.contract import types
from hookstream_keys.domain import ids, keys, timestamps
from hookstream_keys.domain.errors import Conflict, RotationNotFound
from hookstream_keys.handlers import access, audit, escalation
from hookstream_keys.handlers.context import (
    Answer,
    RequestContext,
    RetryInWriteTransaction,
    WriteContext,
)
from hookstream_keys.store import ApiKey, Rotation


async def rotate_api_key(context: WriteContext, id: str, body: types.RotateRequest) -> Answer:
    """Issue a new secret for a key and show it once. It is pending until its first use."""
    key = await access.authorize_key(context, "api-keys:rotate", id)
    now = timestamps.to_text(context.now)
    if key.revoked_at is not None:
        raise _revoked()
    if key.expires_at is not None and key.expires_at <= now:
        raise Conflict("The key has expired; create another one.")
    holder, expiry = await escalation.rights_of(context, key.org_id), body.get("expires_at")
    sets_expiry = "expires_at" in body
    new = keys.generate(_mode(key), context.random)
    rotation = Rotation(
        id=ids.new("rot", context.random),
        key_id=key.id,
        prefix=new.prefix,
        state="pending",
        grace_period_seconds=body["grace_period_seconds"],
        sets_expiry=sets_expiry,
        expires_at=expiry and timestamps.to_text(timestamps.from_text(expiry)),
        created_at=now,
        created_by=audit.actor(context),
        restricted_by=key_rights.recorded(holder.role) if expiry else None,
    )
    wanted = key_rights.at_activation(key, rotation)
    escalation.forbid_in_new_secret(context, holder, key, wanted, given=body)
    rotated = {"rotation": view(key, rotation), "key": new.secret}
    answer: Answer = (rotated, 201, {"Cache-Control": "no-store"})
    event = audit.key_rotated(context, key, rotation, new.digest)
    record = context.idempotency_record(answer)
    quota = context.dependencies.quotas.rotations_per_key
    if not await context.store.add_rotation(rotation, new.digest, event, record, quota):
        raise _revoked()
    return answer


async def cancel_rotation(context: WriteContext, id: str, rotation_id: str) -> Answer:
    """Cancel a pending secret."""
    key = await access.authorize_key(context, "api-keys:rotate", id)
    rotation = await context.store.find_rotation(key.id, rotation_id)
    if rotation is None:
        raise RotationNotFound
    event = audit.rotation_cancelled(context, key, rotation)
    if not await context.store.cancel_rotation(key.org_id, key.id, rotation.id, event):
        raise Conflict("The rotation is no longer pending.")
    return None, 204


async def activate(context: RequestContext, key_id: str, rotation: Rotation) -> bool:
    """Record the first use of a pending secret. Returns whether the secret is valid.

    Raises RetryInWriteTransaction outside a write transaction.
    """
    if not isinstance(context, WriteContext):
        raise RetryInWriteTransaction
    key = await context.store.find_key_by_id(key_id)
    if key is None:
        return False
    grace_ends = timestamps.to_text(context.now + timedelta(seconds=rotation.grace_period_seconds))
    # A grace period never outlasts the key's expiry; a tilde sorts after every time.
    ends_at = min(grace_ends, key.expires_at or "~")
    after = key_rights.at_activation(key, rotation)
    event = audit.rotation_activated(context, key, rotation, after, ends_at)
    now = timestamps.to_text(context.now)
    return await context.store.activate_rotation(
        rotation.id, now, ends_at, event, after.restricted_by
    )


def views(key: ApiKey, under_way: list[Rotation], now: str) -> list[dict[str, Any]]:
    """The rotations shown with a key: a pending one, and those in their grace period."""
    return [view(key, each) for each in under_way if _goes_on(key, each, now)]


def _goes_on(key: ApiKey, rotation: Rotation, now: str) -> bool:
    # The grace period ends with the key, whatever the rotation granted.
    return rotation.state == "pending" or verification.is_active(_seen(key, rotation), now)


def _seen(key: ApiKey, rotation: Rotation) -> ApiKey:
    return verification.effective_key(dataclasses.replace(key, rotation=rotation))


def view(key: ApiKey, rotation: Rotation) -> dict[str, Any]:
    """A rotation of the key as the API shows it: `Rotation` of the document."""
    return {
        "id": rotation.id,
        "state": rotation.state,
        "key_prefix": rotation.prefix,
        "grace_period_seconds": rotation.grace_period_seconds,
        "expires_at": _seen(key, rotation).expires_at,
        "created_at": rotation.created_at,
        "activated_at": rotation.activated_at,
    }


def _mode(key: ApiKey) -> keys.Mode:
    return "live" if key.prefix.startswith("hs_live_") else "test"


def _revoked() -> Conflict:
    return Conflict("The key is revoked permanently; its secret cannot be changed.")
