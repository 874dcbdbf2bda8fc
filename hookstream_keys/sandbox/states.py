"""Provider states: what Pact, or a test, can ask a sandbox to make true."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from hookstream_keys.domain import timestamps
from hookstream_keys.domain.errors import Conflict
from hookstream_keys.domain.limits import Limit
from hookstream_keys.runtime import rate_limit_names
from hookstream_keys.sandbox.faults import Fault
from hookstream_keys.sandbox.resources import FEW_SCOPES, HOUR, NETWORK, Resources, Values
from hookstream_keys.sandbox.world import World

Params = Mapping[str, Any]

_DAY = timedelta(days=1)


def _fields(params: Params) -> Values:
    """What the parameters say of a key."""
    return {name: params.get(name) for name in ("name", "scopes", "external_id", "metadata")}


def _environment(world: World, make: Resources, params: Params) -> Values:
    name = params.get("name", "Environment")
    slug = f"environment-{world.streams.stream('slug').token_bytes(4).hex()}"
    body = {"name": name, "slug": slug, "org_id": world.owner.org_id}
    made = make.call("createEnvironment", body)["environment"]
    return {"org_id": made["org_id"], "env_id": made["id"], "slug": made["slug"]}


def _active_key(world: World, make: Resources, params: Params) -> Values:
    seconds = params.get("expires_in_seconds")
    end = None if seconds is None else world.clock.now() + timedelta(seconds=seconds)
    expires_at = None if end is None else timestamps.to_text(end)
    rules: Values = {"allowed_ips": params.get("allowed_ips"), "expires_at": expires_at}
    limit = {name: params[name] for name in ("requests", "window_seconds") if name in params}
    if limit:
        rules["rate_limit"] = {"requests": 1, "window_seconds": 3600, **limit}
    return make.key(**_fields(params), **rules)


def _key_with_few_scopes(_: World, make: Resources, params: Params) -> Values:
    return make.key(**{**_fields(params), "scopes": params.get("scopes", FEW_SCOPES)})


def _key_bound_to_address(_: World, make: Resources, params: Params) -> Values:
    networks = params.get("allowed_ips", [NETWORK])
    return make.key(**_fields(params), allowed_ips=networks) | {"allowed_ips": networks}


def _rate_limited_key(_: World, make: Resources, params: Params) -> Values:
    return make.rate_limited_key(
        params.get("requests", 1), params.get("window_seconds", 3600), **_fields(params)
    )


def _rotation(world: World, make: Resources, params: Params, **rotation: Any) -> Values:
    grace = params.get("grace_period_seconds", 3600)
    return make.rotated_key(grace, **rotation, **_fields(params))


def _ended_rotation(world: World, make: Resources, params: Params) -> Values:
    grace = params.get("grace_period_seconds", 60)
    began = world.clock.now() - timedelta(seconds=grace) - HOUR
    return make.rotated_key(grace, at=began, used=True, **_fields(params))


def _expired_session(world: World, make: Resources, _: Params) -> Values:
    now = world.clock.now()
    lifetime = world.application.dependencies.lifetimes.first_end(now, brief=False) - now
    return {"session_token": make.session(at=now - lifetime - _DAY)}


def _other_tenant(world: World, _: Resources, params: Params) -> Values:
    return world.resources(world.other_owner).key(**_fields(params))


def _use_up_organization_limit(world: World, make: Resources, _: Params) -> Values:
    name, limit = _organization_limit(world)
    make.use_up(name, limit)
    return {"org_id": world.owner.org_id}


def _restore_organization_limit(world: World, _: Params) -> None:
    name, limit = _organization_limit(world)
    application = world.application
    application.store.run(application.counters.refund(name, limit, limit.requests))


def _organization_limit(world: World) -> tuple[str, Limit]:
    per_minute = world.application.settings.requests_per_minute
    if per_minute is None:
        raise Conflict("The sandbox was started without a rate limit (HOOKSTREAM_RATE_LIMIT=off).")
    return f"{rate_limit_names.OF_ORGANIZATIONS}{world.owner.org_id}", Limit(per_minute, 60)


def _unavailable(world: World, _: Resources, params: Params) -> Values:
    fault = Fault(
        _operation(params),
        times=params.get("times", 1),
        when="before",
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        retry_after=params.get("retry_after"),
    )
    world.faults.add(fault)
    return {}


def _end_faults(world: World, params: Params) -> None:
    world.faults.clear(_operation(params))


def _operation(params: Params) -> str:
    """The operation that a state is about."""
    operation: str = params.get("operation", "verifyApiKey")
    return operation


def _nothing(world: World, _: Resources, __: Params) -> Values:
    return {"org_id": world.owner.org_id, "env_id": world.owner.env_id}


#: By the names of `State` in `control.yaml`; a test holds them equal.
STATES: dict[str, Callable[[World, Resources, Params], Values]] = {
    "an environment": _environment,
    "an active key": _active_key,
    "a disabled key": lambda _, make, params: make.disabled_key(**_fields(params)),
    "an expired key": lambda _, make, params: make.expired_key(**_fields(params)),
    "a revoked key": lambda _, make, params: make.revoked_key(
        params.get("reason"), **_fields(params)
    ),
    "a key bound to an address": _key_bound_to_address,
    "a key with few scopes": _key_with_few_scopes,
    "a key whose limit is used up": _rate_limited_key,
    "a pending rotation": _rotation,
    "a rotation in its grace period": lambda world, make, params: _rotation(
        world, make, params, used=True
    ),
    "an ended rotation": _ended_rotation,
    "a live session": lambda _, make, __: {"session_token": make.session()},
    "an expired session": _expired_session,
    "a key of another tenant": _other_tenant,
    "the organization's limit is used up": _use_up_organization_limit,
    "the service is unavailable": _unavailable,
    "": _nothing,
}

#: What ends a state that would change the answers to other interactions.
TEARDOWNS: dict[str, Callable[[World, Params], None]] = {
    "the organization's limit is used up": _restore_organization_limit,
    "the service is unavailable": _end_faults,
}


def set_up(world: World, state: str, params: Params) -> Values:
    """Make a state true, in a transaction: its values. Raises Conflict."""
    make = world.resources(purpose=f"state {state}")
    return {"api_key": world.facts["key"], **STATES[state](world, make, params)}


def tear_down(world: World, state: str, params: Params) -> None:
    """End a state. Raises Conflict."""
    if state in TEARDOWNS:
        TEARDOWNS[state](world, params)
