"""What a secret can open, said plainly: the model of «may at most».

Nothing of the code under test is imported. A power is made of points: one environment, one
scope, one address. At each point a secret is valid until a moment, and so often. An attacker
who holds some secrets has, at a point, no more than the best that one of them had at the
start. It may be several secrets' points that it reaches, but never a point that none had.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

#: Scopes that are tried: those that make, change and show keys, and some of a product.
SCOPES = (
    "api-keys:create",
    "api-keys:update",
    "api-keys:rotate",
    "audit-log:read",
    "events:read",
    "events:write",
    "other:thing",
)

#: The scopes of this API that a key has at most within the ceiling of a role. The keys of an admin
#: and of an owner have all of those above.
CEILINGS: dict[str | None, set[str]] = {"member": {"api-keys:create"}}
OF_THE_API = {scope for scope in SCOPES if scope.startswith(("api-keys:", "audit-log:"))}

#: The networks that keys are bound to here, and which of the addresses that are tried lie in them.
NETWORKS: dict[str, set[str]] = {
    "192.0.2.0/24": {"192.0.2.9", "192.0.2.200"},
    "192.0.2.0/25": {"192.0.2.9"},
    "192.0.2.9/32": {"192.0.2.9"},
    "2001:db8::/32": {"2001:db8::9"},
    "0.0.0.0/0": {"192.0.2.9", "192.0.2.200"},
    "::/0": {"2001:db8::9"},
}
ADDRESSES = ("192.0.2.9", "192.0.2.200", "2001:db8::9")

#: Later than every moment that is written as text.
NEVER = "~"


class Point(NamedTuple):
    """Where something is opened."""

    env: str
    scope: str
    address: str


class Rate(NamedTuple):
    """How often, or never mind how often: `UNLIMITED`."""

    requests: int
    seconds: int

    def within(self, other: "Rate") -> bool:
        """Whether neither its burst nor its sustained rate is higher."""
        slower = self.requests / self.seconds <= other.requests / other.seconds
        return self.requests <= other.requests and slower


UNLIMITED = Rate(10**12, 1)


@dataclass(frozen=True)
class Power:
    """What one secret can open at all of its points."""

    env: str
    scopes: str
    allowed_ips: tuple[str, ...] = ()
    end: str = NEVER
    rate: Rate = UNLIMITED
    #: The role whose rights are its scope ceiling; None: no ceiling.
    role: str | None = None

    def points(self) -> Iterator[Point]:
        for scope in SCOPES:
            for address in ADDRESSES:
                if self._covers(scope) and address in let_in(self.allowed_ips):
                    yield Point(self.env, scope, address)

    def _covers(self, scope: str) -> bool:
        resource = scope.partition(":")[0]
        if scope in OF_THE_API - CEILINGS.get(self.role, OF_THE_API):
            return False
        return not {"*", f"{resource}:*", scope}.isdisjoint(self.scopes.split())


def let_in(networks: Iterable[str]) -> list[str]:
    """The addresses that a key is valid from which is bound to these networks, or to none."""
    within = set[str]().union(*(NETWORKS[network] for network in networks))
    return [address for address in ADDRESSES if address in within or not networks]


class Reached(NamedTuple):
    """What was seen to be opened."""

    point: Point
    end: str
    rate: Rate


def beyond(reached: Iterable[Reached], origins: Iterable[Power]) -> list[Reached]:
    """What none of the origins had: the same point, until then or later, as often or more."""
    had: dict[Point, list[Power]] = {}
    for origin in origins:
        for point in origin.points():
            had.setdefault(point, []).append(origin)
    return [
        each
        for each in reached
        if not any(
            each.end <= origin.end and each.rate.within(origin.rate)
            for origin in had.get(each.point, [])
        )
    ]
