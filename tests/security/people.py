"""Chains in which people act: how they are made, and the plain model that they are held to.

An insider is signed in as one user, whose role others raise, lower and take away, and holds the
secrets that they were shown. The owner acts in between, on the insider's keys as well. Nothing of
the code under test is imported: what a key may do is read from its row, and judged here.

A step of the insider's may give them no point that they did not have and that who acted, the user
or the key, had not at that moment. It lifts nothing that a higher role restricted. And what the
owner only narrows gives nothing at all.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from hypothesis import strategies as st
from security.chains import ENDS, GRANTS, IPS, RATES
from security.powers import NEVER, UNLIMITED, Power, Rate, Reached, let_in

ROLES = ("member", "admin", "owner")
Role = Literal["member", "admin", "owner"]
RULES = ("scopes", "role", "enabled", "expires_at", "allowed_ips", "rate_limit")


class Step(NamedTuple):
    """Something that is tried: by the owner, by the insider, or with a secret of the insider's."""

    who: Literal["owner", "session", "key"]
    kind: str
    by: int
    to: int
    body: dict[str, Any]


def _rules(**more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    rates = st.sampled_from(RATES).map(
        lambda rate: rate and {"requests": rate[0], "window_seconds": rate[1]}
    )
    return st.fixed_dictionaries(
        {},
        optional={
            "scopes": st.sampled_from((*GRANTS, "audit-log:read", "audit-log:read api-keys:*")),
            "role": st.sampled_from(ROLES),
            "expires_at": st.sampled_from(ENDS),
            "allowed_ips": st.sampled_from(((), *IPS)).map(list),
            "rate_limit": rates,
            **more,
        },
    )


def _step(
    who: st.SearchStrategy[Any], kind: str, body: st.SearchStrategy[dict[str, Any]]
) -> st.SearchStrategy[Step]:
    number = st.integers(0, 9)
    return st.builds(Step, who, st.just(kind), number, number, body)


def _one(body: dict[str, Any]) -> dict[str, Any]:
    return dict(list(body.items())[-1:])


_NOTHING: st.SearchStrategy[dict[str, Any]] = st.just({})
_ROTATION = st.fixed_dictionaries(
    {"grace_period_seconds": st.sampled_from([0, 86400])},
    optional={"expires_at": st.sampled_from(ENDS)},
)
_INSIDER = st.sampled_from(["session", "session", "key"])
_ANY_ACTOR = st.sampled_from(["session", "session", "key", "owner"])
_OWNER = st.just("owner")

STEPS = st.one_of(
    _step(_ANY_ACTOR, "create", _rules()),
    _step(_ANY_ACTOR, "update", _rules(enabled=st.booleans())),
    # One rule alone: much is refused for another one that came with it.
    _step(_ANY_ACTOR, "update", _rules(enabled=st.booleans()).map(_one)),
    _step(_ANY_ACTOR, "update", _rules(enabled=st.booleans()).map(_one)),
    _step(_ANY_ACTOR, "rotate", _ROTATION),
    _step(_INSIDER, "cancel", _NOTHING),
    _step(_INSIDER, "use", _NOTHING),
    _step(_OWNER, "give role", st.fixed_dictionaries({"role": st.sampled_from(ROLES)})),
    _step(_OWNER, "remove", _NOTHING),
    _step(_OWNER, "add", st.fixed_dictionaries({"role": st.sampled_from(ROLES)})),
)


@dataclass(frozen=True)
class State:
    """A key as its row has it."""

    env: str
    scopes: str
    role: str | None
    enabled: bool
    expires_at: str | None
    allowed_ips: tuple[str, ...]
    rate_limit: tuple[int, int] | None
    revoked: bool

    def power(self, end: str | None = NEVER) -> Power:
        """What a secret of it opens, which itself is valid until `end`."""
        if not self.enabled or self.revoked:
            return Power(self.env, "")
        rate = Rate(*self.rate_limit) if self.rate_limit else UNLIMITED
        end = min(self.expires_at or NEVER, end or NEVER)
        return Power(self.env, self.scopes, self.allowed_ips, end, rate, self.role)

    def rule(self, name: str) -> Any:
        """The value of a rule, to compare by `loosened`."""
        return getattr(self, name)


def loosened(rule: str, before: State, after: State) -> bool:
    """Whether `after` allows something by this rule that `before` did not."""
    match rule:
        case "scopes":
            return not _covered(after.scopes) <= _covered(before.scopes)
        case "role":
            return rank(after.role) > rank(before.role)
        case "enabled":
            return after.enabled and not before.enabled
        case "expires_at":
            return (after.expires_at or NEVER) > (before.expires_at or NEVER)
        case "allowed_ips":
            return not set(let_in(after.allowed_ips)) <= set(let_in(before.allowed_ips))
        case _:
            was = Rate(*before.rate_limit) if before.rate_limit else UNLIMITED
            now = Rate(*after.rate_limit) if after.rate_limit else UNLIMITED
            return not now.within(was)


def is_open(rule: str, state: State) -> bool:
    """Whether the rule restricts nothing."""
    match rule:
        case "scopes":
            return state.scopes == "*"
        case "role":
            return rank(state.role) == rank(None)
        case "enabled":
            return state.enabled
        case _:
            return not state.rule(rule)


def rank(role: str | None) -> int:
    """How high a role is; an operator's, which none limits, is as high as an owner's."""
    return len(ROLES) if role is None else ROLES.index(role) + 1


def acts_on_keys(power: Power) -> bool:
    """Whether it may make, change or rotate keys: then the role of the key counts as well."""
    return any(point.scope.startswith("api-keys:") for point in power.points())


def powers_of(role: str | None, environments: Iterable[str]) -> list[Power]:
    """What a user of this role may hand on: all within the role, permanently, to any address."""
    return [] if role is None else [Power(env, "*", role=role) for env in environments]


def reached(power: Power) -> list[Reached]:
    """Every point of a power, with its end and rate."""
    return [Reached(point, power.end, power.rate) for point in power.points()]


def _covered(scopes: str) -> set[str]:
    every = Power("", scopes)
    return {point.scope for point in every.points()}


def wanted(before: State, body: dict[str, Any]) -> State:
    """The key as a request for a change wants it."""
    given = {name: value for name, value in body.items() if name in RULES}
    if "allowed_ips" in given:
        given["allowed_ips"] = tuple(given["allowed_ips"])
    if given.get("rate_limit"):
        given["rate_limit"] = tuple(given["rate_limit"].values())
    return replace(before, **given)
