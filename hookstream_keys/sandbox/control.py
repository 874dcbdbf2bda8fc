"""The control API: a handler for each operation of `control.yaml`."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import orjson

from hookstream_keys.domain import timestamps
from hookstream_keys.handlers.context import Answer
from hookstream_keys.sandbox import states
from hookstream_keys.sandbox.clock import Clock
from hookstream_keys.sandbox.document import document
from hookstream_keys.sandbox.faults import Fault
from hookstream_keys.sandbox.tenants import Tenants
from hookstream_keys.sandbox.world import World

Handler = Callable[..., Awaitable[Answer]]

#: The latest time that the clock can be moved to: rate limits count in nanoseconds, and 64 bits
#: hold those of 292 years after 1970.
LATEST = datetime.fromisoformat("2199-12-31T23:59:59Z")


async def get_facts(world: World, _: Tenants) -> Answer:
    """What the world began with."""
    return world.facts, 200


async def reset(world: World, _: Tenants) -> Answer:
    """Put everything back."""
    await world.reset()
    return world.facts, 200


async def set_state(world: World, _: Tenants, body: dict[str, Any]) -> Answer:
    """Make a state true, or end it."""
    state, params = body["state"], body.get("params") or {}
    if body["action"] == "teardown":
        states.tear_down(world, state, params)
        return {}, 200
    return await world.write(lambda: states.set_up(world, state, params)), 200


async def get_clock(world: World, _: Tenants) -> Answer:
    """The clock."""
    return _clock_view(world.clock), 200


async def set_clock(world: World, _: Tenants, body: dict[str, Any]) -> Answer:
    """Move, freeze or run the clock."""
    clock = world.clock
    match body:
        case {"advance_seconds": seconds}:
            clock.set(min(clock.now() + timedelta(seconds=seconds), LATEST))
        case {"set": text}:
            clock.set(given_time(text))
        case {"mode": "run"}:
            clock.run()
        case _:
            clock.freeze()
    return _clock_view(clock), 200


def given_time(text: str) -> datetime:
    """The time of a text that `GivenTime` of the document accepts."""
    return min(timestamps.from_text(text), LATEST)


async def list_faults(world: World, _: Tenants) -> Answer:
    """The faults that are still to come."""
    return world.faults.view(), 200


async def add_fault(world: World, _: Tenants, body: dict[str, Any]) -> Answer:
    """Add a fault."""
    world.faults.add(Fault(**body))
    return world.faults.view(), 201


async def clear_faults(world: World, _: Tenants) -> Answer:
    """Remove all faults."""
    world.faults.clear()
    return None, 204


async def list_requests(world: World, _: Tenants, operation: str | None = None) -> Answer:
    """What clients have sent."""
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
    start = None if clock is None else given_time(clock)
    return (await tenants.create(world, body["name"], start)).facts, 201


async def delete_tenant(world: World, tenants: Tenants, name: str) -> Answer:
    """Delete a tenant."""
    await tenants.delete(world, name)
    return None, 204


async def get_control_document(world: World, _: Tenants) -> Answer:
    """The document of this API, with the world's own control URL."""
    servers = [{"url": world.facts["control_url"], "description": "This sandbox"}]
    return orjson.dumps({**document(), "servers": servers}), 200


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


def _clock_view(clock: Clock) -> dict[str, Any]:
    return {"now": timestamps.to_text(clock.now()), "mode": clock.mode}
