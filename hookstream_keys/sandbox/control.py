"""The control API: a handler for each operation of `control.yaml`."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

import orjson
import yaml

from hookstream_keys.contract import spec
from hookstream_keys.domain import timestamps
from hookstream_keys.domain.errors import BadRequest, Detail
from hookstream_keys.handlers.context import Answer
from hookstream_keys.sandbox.clock import Clock
from hookstream_keys.sandbox.faults import Fault
from hookstream_keys.sandbox.states import STATES
from hookstream_keys.sandbox.tenants import Tenants
from hookstream_keys.sandbox.world import World

Handler = Callable[..., Awaitable[Answer]]

#: The latest time that the clock can be moved to: tokens and rows with later ones must have a year
#: of four digits, too.
LATEST = datetime.fromisoformat("9000-01-01T00:00:00Z")


@cache
def document() -> spec.Document:
    """The parsed `control.yaml`, shared: not to be changed."""
    text = resources.files("hookstream_keys.sandbox").joinpath("control.yaml").read_bytes()
    read: spec.Document = yaml.safe_load(text)
    return read


async def get_facts(world: World, _: Tenants) -> Answer:
    """What the world began with."""
    return world.facts, 200


async def reset(world: World, _: Tenants) -> Answer:
    """Put everything back."""
    await world.reset()
    return world.facts, 200


async def set_state(world: World, _: Tenants, body: dict[str, Any]) -> Answer:
    """Make a state true."""
    if body["action"] == "teardown":
        return {}, 200
    state, params = body["state"], body.get("params") or {}
    make = world.resources(purpose=f"state {state}")
    return await world.write(lambda: STATES[state](world, make, params)), 200


async def get_clock(world: World, _: Tenants) -> Answer:
    """The clock."""
    return _clock_view(world.clock), 200


async def set_clock(world: World, _: Tenants, body: dict[str, Any]) -> Answer:
    """Move, freeze or run the clock."""
    clock = world.clock
    match body:
        case {"advance_seconds": seconds}:
            _move(clock, clock.now() + timedelta(seconds=seconds), "body/advance_seconds")
        case {"set": text}:
            _move(clock, datetime.fromisoformat(text), "body/set")
        case {"mode": "run"}:
            clock.run()
        case _:
            clock.freeze()
    return _clock_view(clock), 200


async def list_faults(world: World, _: Tenants) -> Answer:
    """The faults that are still to come."""
    return world.faults.view(), 200


async def add_fault(world: World, _: Tenants, body: dict[str, Any]) -> Answer:
    """Add a fault."""
    fault = Fault(**body)
    _require_operation(fault.operation, "body/operation")
    kinds = [fault.status is not None, fault.drop, fault.truncate, fault.malformed]
    if sum(kinds) > 1 or not (any(kinds) or fault.delay_ms):
        raise BadRequest(
            "The request body is not valid.",
            details=[
                Detail("body", "is not one of status, drop, truncate and malformed, or delay_ms")
            ],
        )
    world.faults.add(fault)
    return world.faults.view(), 201


async def clear_faults(world: World, _: Tenants) -> Answer:
    """Remove all faults."""
    world.faults.clear()
    return None, 204


async def list_requests(world: World, _: Tenants, operation: str | None = None) -> Answer:
    """What clients have sent."""
    if operation is not None:
        _require_operation(operation, "query/operation")
    return world.recorder.view(operation), 200


async def clear_requests(world: World, _: Tenants) -> Answer:
    """Forget what clients have sent."""
    world.recorder.forget()
    return None, 204


async def list_tenants(world: World, tenants: Tenants) -> Answer:
    """The names of the tenants."""
    return {"tenants": tenants.names(world)}, 200


async def create_tenant(world: World, tenants: Tenants, body: dict[str, Any]) -> Answer:
    """Make a tenant."""
    clock = body.get("clock")
    start = None if clock is None else datetime.fromisoformat(clock)
    return (await tenants.create(world, body["name"], start)).facts, 201


async def delete_tenant(world: World, tenants: Tenants, name: str) -> Answer:
    """Delete a tenant."""
    await tenants.delete(world, name)
    return None, 204


async def get_control_document(_: World, __: Tenants) -> Answer:
    """The document of this API."""
    return orjson.dumps(document()), 200


#: The handler of every operation of the document. A test holds it against the document.
OPERATIONS: dict[str, Handler] = {
    "addFault": add_fault,
    "clearFaults": clear_faults,
    "clearRequests": clear_requests,
    "createTenant": create_tenant,
    "deleteTenant": delete_tenant,
    "getClock": get_clock,
    "getControlDocument": get_control_document,
    "getFacts": get_facts,
    "listFaults": list_faults,
    "listRequests": list_requests,
    "listTenants": list_tenants,
    "reset": reset,
    "setClock": set_clock,
    "setState": set_state,
}


def _move(clock: Clock, moment: datetime, location: str) -> None:
    if moment > LATEST:
        raise BadRequest(
            "The request body is not valid.",
            details=[Detail(location, f"is later than {timestamps.to_text(LATEST)}")],
        )
    clock.set(moment)


def _clock_view(clock: Clock) -> dict[str, Any]:
    return {"now": timestamps.to_text(clock.now()), "mode": clock.mode}


def _require_operation(operation: str, location: str) -> None:
    known = sorted(each.id for each in spec.operations(spec.document()))
    if operation not in known:
        raise BadRequest(
            f"The API has no such operation. It has: {', '.join(known)}.",
            details=[Detail(location, "is not an operationId of the API")],
        )
