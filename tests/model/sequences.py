"""Random sequences of steps, each made whole before it is run, from a seed and its number alone.

The steps name what they are about by its place, the newest first, so that a sequence still makes
sense when some of its steps are left out. Moments are milliseconds from when the step is taken.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, NamedTuple, TypeVar

from model.model import NETWORKS

How = Literal["verify", "batch", "whoami", "authorize"]
#: One of the key's secrets, of which 0 is the newest, or one that is no key's.
Which = int | Literal["never issued", "malformed"]
Environment = Literal["any", "own", "another"]
#: Rules of a key as they are sent, but for moments.
Changes = dict[str, Any]

Choice = TypeVar("Choice")

HOUR = 3_600_000
#: So long a step that lets time pass takes: more than the short ends and graces.
WAIT_SECONDS = 1.1
FEWEST, MOST = 6, 14

# Each with how often it is chosen.
HOW: dict[How, int] = {"verify": 6, "batch": 1, "whoami": 2, "authorize": 2}
#: Mostly the newest, which activates a rotation, or the one before it.
WHICH: dict[Which, int] = {0: 10, 1: 6, 2: 2, 3: 1, "never issued": 1, "malformed": 1}
ENVIRONMENTS: dict[Environment, int] = {"any": 10, "own": 2, "another": 1}

REASONS = ["unspecified", "keyCompromise", "superseded", "privilegeWithdrawn"]
SCOPES = ["*", "events:read", "events:*", "events:read events:write", "hooks:*,events:read"]
WANTED = [None, None, "events:read", "events:write", "events:*", "hooks:read,events:read", "*"]
#: Most of them lie in some network, and the last in none.
IPS = [None, *sorted(set().union(*NETWORKS.values())), "2001:db9::1"]


@dataclass(frozen=True)
class Create:
    rules: Changes
    mode: Literal["live", "test"]
    own_environment: bool


@dataclass(frozen=True)
class Update:
    changes: Changes


@dataclass(frozen=True)
class Rotate:
    grace_seconds: int
    #: With `expires_at` or without.
    more: Changes


@dataclass(frozen=True)
class Try:
    """A use of a secret, as far as it is the same however it is used."""

    secret: Which
    ip: str | None
    scopes: str | None
    #: Of verification only.
    explain: bool
    environment: Environment


@dataclass(frozen=True)
class Use:
    how: How
    tries: tuple[Try, ...]
    bearer: bool


@dataclass(frozen=True)
class Cancel:
    rotation: int


@dataclass(frozen=True)
class Revoke:
    reason: str


@dataclass(frozen=True)
class RevokeBySecret:
    secret: Which
    reason: str


@dataclass(frozen=True)
class Look:
    pass


@dataclass(frozen=True)
class Wait:
    pass


@dataclass(frozen=True)
class DeleteEnvironment:
    pass


Step = (
    Create
    | Update
    | Rotate
    | Use
    | Cancel
    | Revoke
    | RevokeBySecret
    | Look
    | Wait
    | DeleteEnvironment
)


class Turn(NamedTuple):
    """A step, and which of the two workers is asked."""

    worker: int
    step: Step


def sequence(seed: int, number: int) -> list[Turn]:
    """The sequence of this number: it begins with a key's creation and ends with a look at it."""
    random = Random(f"{seed}/{number}")  # noqa: S311 - a test that can be repeated
    makers = random.choices(list(STEPS), list(STEPS.values()), k=random.randint(FEWEST, MOST) - 3)
    steps = [*(make(random) for make in makers), _use_every(random), Look()]
    create = Create(
        rules=_rules(random, often=0.3),
        mode=random.choice(["live", "test"]),
        own_environment=any(isinstance(step, DeleteEnvironment) for step in steps),
    )
    if random.random() < 0.1:
        limit = {"requests": random.randint(1, 3), "window_seconds": 86_400}
        create.rules["rate_limit"] = limit
    return [Turn(random.randrange(2), step) for step in (create, *steps)]


def _use(random: Random) -> Step:
    how = _one_of(random, HOW)
    count = random.randint(1, 4) if how == "batch" else 1
    tries = tuple(_try(random) for _ in range(count))
    return Use(how, tries, bearer=random.random() < 0.5)


def _use_every(random: Random) -> Step:
    """The newest secrets, of few some twice: before the newest of all is valid, and after."""
    ip = random.choice(IPS)
    tries = (Try(which, ip, None, explain=True, environment="any") for which in (3, 2, 1, 0))
    return Use("batch", tuple(tries), bearer=False)


def _rotate(random: Random) -> Step:
    more = {"expires_at": _end(random)} if random.random() < 0.5 else {}
    return Rotate(random.choice([0, 1, 3600, 86_400]), more)


def _update(random: Random) -> Step:
    changes = _rules(random, often=0.25)
    if random.random() < 0.2:
        changes["enabled"] = random.random() < 0.6
    if random.random() < 0.15:
        changes["name"] = f"named {random.randrange(1000)}"
    return Update(changes or {"expires_at": _end(random)})


def _look(_: Random) -> Step:
    return Look()


def _wait(_: Random) -> Step:
    return Wait()


def _cancel(random: Random) -> Step:
    return Cancel(random.choice([0, 0, 0, 1]))


def _revoke_by_secret(random: Random) -> Step:
    return RevokeBySecret(_one_of(random, WHICH), random.choice(REASONS))


def _revoke(random: Random) -> Step:
    return Revoke(random.choice(REASONS))


def _delete_environment(_: Random) -> Step:
    return DeleteEnvironment()


#: How often each step is taken. The last ones end the life of a key, so they are rare.
STEPS: dict[Callable[[Random], Step], int] = {
    _use: 46,
    _rotate: 18,
    _update: 13,
    _look: 8,
    _wait: 7,
    _cancel: 4,
    _revoke_by_secret: 3,
    _revoke: 1,
    _delete_environment: 1,
}


def _rules(random: Random, often: float) -> Changes:
    """Each of the rules as often as this, and twice as often those on which most depends."""
    choices: dict[str, tuple[int, Callable[[], Any]]] = {
        "expires_at": (2, lambda: _end(random)),
        "scopes": (2, lambda: random.choice(SCOPES)),
        "allowed_ips": (1, lambda: random.sample(sorted(NETWORKS), random.choice([0, 1, 1, 2, 3]))),
        "metadata": (1, lambda: {"plan": random.choice(["free", "pro"])}),
        "external_id": (1, lambda: random.choice([None, "customer 7"])),
    }
    return {
        name: choose()
        for name, (times, choose) in choices.items()
        if random.random() < times * often
    }


def _end(random: Random) -> int | None:
    """When something ends: never, long ago, almost now, soon, or hours from now."""
    return random.choice([None, None, -HOUR, 15, 1000, 1000, *[6 * HOUR, 12 * HOUR] * 2])


def _try(random: Random) -> Try:
    return Try(
        secret=_one_of(random, WHICH),
        ip=random.choice(IPS),
        scopes=random.choice(WANTED),
        explain=random.random() < 0.5,
        environment=_one_of(random, ENVIRONMENTS),
    )


def _one_of(random: Random, choices: dict[Choice, int]) -> Choice:
    return random.choices(list(choices), list(choices.values()))[0]
