"""The worlds of a sandbox: its own, and one for each tenant."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from hookstream_keys.domain.errors import Conflict, NotFound
from hookstream_keys.sandbox.world import World

#: How many tenants exist at most: each takes some megabytes.
MAX_TENANTS = 64

#: Makes a world by its name; None for the time that the sandbox begins with.
MakeWorld = Callable[[str, datetime | None], World]


class Tenants:
    """Makes, finds and deletes worlds."""

    def __init__(self, make: MakeWorld) -> None:
        self._make = make
        self.own = make("", None)
        self._worlds: dict[str, World] = {}
        self._being_made: set[str] = set()

    def find(self, name: str) -> World | None:
        """The world of a tenant."""
        return self._worlds.get(name)

    def names(self, by: World) -> list[str]:
        """The tenants' names, in order. Raises NotFound for a tenant."""
        self._require_own(by)
        return sorted(self._worlds)

    async def create(self, by: World, name: str, start: datetime | None) -> World:
        """Make a tenant's world. Raises Conflict, or NotFound for a tenant."""
        self._require_own(by)
        if name in self._worlds or name in self._being_made:
            raise Conflict("A tenant has this name; delete it, or choose another name.")
        if len(self._worlds) + len(self._being_made) >= MAX_TENANTS:
            raise Conflict(f"There are {MAX_TENANTS} tenants; delete one.")
        self._being_made.add(name)
        try:
            # In a thread of its own: requests to other worlds are answered meanwhile.
            world = await asyncio.to_thread(self._make, name, start)
        finally:
            self._being_made.remove(name)
        world.start()
        self._worlds[name] = world
        return world

    async def delete(self, by: World, name: str) -> None:
        """Delete a tenant's world. Raises NotFound."""
        self._require_own(by)
        world = self._worlds.pop(name, None)
        if world is None:
            raise NotFound("There is no such tenant.")
        await world.delete()

    def start(self) -> None:
        """Begin to serve, on the event loop's thread."""
        self.own.start()

    def interrupt(self) -> None:
        """Drop the requests that faults delay, so that the sandbox stops at once."""
        for world in (self.own, *self._worlds.values()):
            world.interrupt()

    async def stop(self) -> None:
        """Stop all worlds."""
        for world in (self.own, *self._worlds.values()):
            await world.stop()

    def _require_own(self, by: World) -> None:
        if by is not self.own:
            raise NotFound("Tenants are made and deleted at the sandbox's own control URL.")
