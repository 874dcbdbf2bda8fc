"""Chains of steps by which an attacker with a few keys tries to gain more rights."""

from datetime import timedelta
from typing import Any, Literal, NamedTuple

from hypothesis import strategies as st
from security.powers import ADDRESSES, NETWORKS
from security.world import NOW
from support import iso

ENDS = (None, *(iso(NOW + timedelta(days=days)) for days in (1, 2, 3)))
RATES = (None, (5000, 60), (1000, 60), (1000, 3600))
#: What a key may do: those that do nothing with other keys are of little use here.
GRANTS = (
    "*",
    "api-keys:* events:*",
    "api-keys:* events:*",
    "api-keys:* events:read",
    "api-keys:create api-keys:update api-keys:rotate events:read",
    "api-keys:update events:read",
    "events:read",
    "events:*",
)
IPS: tuple[tuple[str, ...], ...] = (
    *((network,) for network in NETWORKS),
    ("0.0.0.0/0", "::/0"),
)


RULES = {"scopes", "expires_at", "allowed_ips", "rate_limit"}


def _often_none(values: st.SearchStrategy[Any], otherwise: Any = None) -> st.SearchStrategy[Any]:
    return st.sampled_from([True, True, False]).flatmap(
        lambda none: st.just(otherwise) if none else values
    )


class Origin(NamedTuple):
    """A key that there is at the start, and which of its secrets the attacker holds."""

    scopes: str
    end: str | None = None
    allowed_ips: tuple[str, ...] = ()
    rate: tuple[int, int] | None = None
    in_second_environment: bool = False
    enabled: bool = True
    #: Whether a rotation is under way or over, and what end its secret has.
    rotation: Literal["pending", "pending with an end", "grace"] | None = None
    rotation_end: str | None = None
    #: Of its own secret and that of the rotation.
    holds: tuple[bool, bool] = (True, True)


class Step(NamedTuple):
    """Something done with one of the secrets that are held: which, and to which key, by number."""

    kind: str
    by: int
    to: int
    address: str
    #: What of it is asked for as the key has it that asks: as much as it may.
    as_itself: frozenset[str]
    body: dict[str, Any]


def _rules(**more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    rates = st.sampled_from(RATES).map(
        lambda rate: rate and {"requests": rate[0], "window_seconds": rate[1]}
    )
    return st.fixed_dictionaries(
        {},
        optional={
            "scopes": st.sampled_from(GRANTS),
            "expires_at": st.sampled_from(ENDS),
            "allowed_ips": st.sampled_from(((), *IPS)).map(list),
            "rate_limit": rates,
            **more,
        },
    )


def _step(kind: str, body: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Step]:
    number = st.integers(0, 9)
    addresses = st.sampled_from(ADDRESSES)
    own = st.sampled_from([RULES, RULES - {"expires_at"}, {"scopes"}, {"enabled"}])
    return st.builds(Step, st.just(kind), number, number, addresses, own.map(frozenset), body)


_ROTATIONS = st.fixed_dictionaries(
    {"grace_period_seconds": st.sampled_from([0, 86400])},
    optional={"expires_at": st.sampled_from(ENDS)},
)

STEPS = st.one_of(
    _step("create", st.just({}) | _rules()),
    _step("update", st.just({}) | _rules(enabled=st.booleans())),
    _step("rotate", _ROTATIONS),
    _step("cancel", st.just({})),
    _step("use", st.just({})),
)

ORIGINS = st.builds(
    Origin,
    scopes=st.sampled_from(GRANTS),
    end=st.sampled_from(ENDS),
    allowed_ips=_often_none(st.sampled_from(IPS), ()),
    rate=_often_none(st.sampled_from(RATES)),
    in_second_environment=st.sampled_from([False, False, True]),
    enabled=st.sampled_from([True, True, True, False]),
    rotation=st.sampled_from(
        [None, "pending", "pending with an end", "pending with an end", "grace"]
    ),
    rotation_end=st.sampled_from(ENDS),
    holds=st.sampled_from([(True, True), (True, True), (True, False), (False, True)]),
)
