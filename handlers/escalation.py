"""Against privilege escalation: requests are held to the rule of `auth.key_rights`.

Visibility and the required scope come first, in `access`; this limits what a key may do.
"""

import dataclasses
from collections.abc import Container, Mapping

from hookstream_keys.auth import key_rights
from hookstream_keys.auth.key_rights import Rights, Shortfall
from hookstream_keys.context.principal import KeyPrincipal, SessionPrincipal
from hookstream_keys.domain import timestamps
from hookstream_keys.domain.errors import Detail, Forbidden, InsufficientScope
from hookstream_keys.domain.key_rules import RULES
from hookstream_keys.handlers.context import RequestContext
from hookstream_keys.store import ApiKey, Rotation


def forbid_in_new_key(context: RequestContext, holder: Rights, key: ApiKey) -> None:
    """Refuse to create a key that is beyond the rights of the caller, `holder`.

    Raises InsufficientScope for a key, Forbidden for a session, with every rule that is beyond.
    """
    # Omitted rules mean no limit, so they count as the request's. A role that is too high also
    # makes the scopes exceed the caller's: only the role is reported.
    shortfalls = holder.may_not_give(key) or holder.shortfalls(key)
    _refuse_any(context, [], shortfalls, given=RULES)


def forbid_in_new_secret(
    context: RequestContext, holder: Rights, before: ApiKey, after: ApiKey, given: Container[str]
) -> None:
    """Refuse a new secret of a key that is beyond the rights of the caller, as is or `after`.

    `given` are the rules that the request names. Raises as `forbid_in_new_key`.
    """
    shortfalls = [
        *holder.may_not_delegate(before),
        *holder.shortfalls(before),
        *holder.shortfalls(after),
    ]
    _refuse_any(context, holder.may_not_lift(before, after), shortfalls, given)


async def authorize_change(
    context: RequestContext, before: ApiKey, after: ApiKey, given: Container[str]
) -> Mapping[str, str]:
    """The `restricted_by` of a key after a change, which the caller must be allowed to make.

    Lifting a restriction needs rights that cover the key; narrowing needs none. `given` are the
    rules that the request names. Raises as `forbid_in_new_key`.
    """
    holder = await rights_of(context, before.org_id)
    activated: list[ApiKey] = []
    if "expires_at" in given:
        # It also sets the expiry of a pending secret, which may be earlier.
        pending = await _pending(context, before)
        activated = [key_rights.at_activation(before, rotation) for rotation in pending]
    loosened = [each for each in (before, *activated) if key_rights.lifted(each, after)]
    if loosened:
        restricted = [found for each in loosened for found in holder.may_not_lift(each, after)]
        beyond = [*holder.shortfalls(before), *holder.shortfalls(after)]
        if "expires_at" not in given:
            beyond += await _of_pending(context, holder, after)
        _refuse_any(context, restricted, beyond, given)
    for each in activated:
        # Which role is higher is known: a pending expiry is recorded with the key's.
        record = {**before.restricted_by, **each.restricted_by}
        before = dataclasses.replace(before, restricted_by=record)
    return key_rights.restrictions_after(before, after, holder.role, given)


async def rights_of(context: RequestContext, org_id: str) -> Rights:
    """The rights that the caller may delegate: a key's own, or those of a role."""
    match context.principal:
        case KeyPrincipal() as key:
            limits = (key.expires_at, key.allowed_ips, key.rate_limit)
            return Rights(key.role, key.scopes, *limits)
        case SessionPrincipal(user_id=user_id):
            return Rights(await context.store.role_in(org_id, user_id) or "")
        case _:
            return Rights(None)


async def _of_pending(context: RequestContext, holder: Rights, key: ApiKey) -> list[Shortfall]:
    """Where the key is beyond the caller's rights by its pending secret.

    That may have a later expiry, which its first use makes the key's. A change of the expiry sets
    both, and needs no such check.
    """
    if holder.expires_at is None:
        return []
    return [
        Shortfall("expires_at", "is later than the caller's own, by its pending secret")
        for rotation in await _pending(context, key)
        if rotation.sets_expiry
        and (rotation.expires_at is None or rotation.expires_at > holder.expires_at)
    ]


async def _pending(context: RequestContext, key: ApiKey) -> list[Rotation]:
    under_way = (await context.store.rotations_of([key.id], timestamps.to_text(context.now)))[
        key.id
    ]
    return [rotation for rotation in under_way if rotation.state == "pending"]


def _refuse_any(
    context: RequestContext,
    restricted: list[Shortfall],
    beyond: list[Shortfall],
    given: Container[str],
) -> None:
    """Raise the error for restrictions of a higher role, and for rights beyond the caller's."""
    found = dict.fromkeys(restricted + beyond)
    if not found:
        return
    details = [
        Detail(f"body/{rule}", message)
        if rule in given
        else Detail("path/id", f"the key's {rule}: {message}")
        for rule, message in found
    ]
    is_key = isinstance(context.principal, KeyPrincipal)
    if not beyond:
        message = (
            "A higher role than the caller's restricted this key: `restricted_by` of the key names "
            "it. Only that role or a higher one lifts the restriction."
        )
    elif is_key:
        message = (
            "A key cannot create a key with more rights than its own, get a secret of one or lift "
            "a restriction on one. Omitted rules mean no limit: give limits within its own."
        )
    else:
        message = (
            "This needs rights that cover the key's, and your role in the organization does not "
            "cover them. Ask a member with a higher role."
        )
    if is_key:
        raise InsufficientScope(message, details=details)
    raise Forbidden(message, details=details)
