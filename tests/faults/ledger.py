"""What clients were told of their keys, and so how each key may stand after a fault.

A step that was acknowledged has happened. One that was sent, and not answered, has happened
wholly or not at all: until the key is read, it may stand in either of two ways.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

Kind = Literal["create", "rotate", "use", "revoke"]

#: The answer for a valid secret that has not been used since its rotation.
PENDING = "PENDING"


class Step(NamedTuple):
    """Something that a client asks for: texts and numbers only, so that it can be written."""

    kind: Kind
    #: The key's name, which no two have.
    name: str
    #: Sent as `Idempotency-Key` with what creates.
    once: str = ""
    #: Of a rotation; 0, or longer than any test.
    grace_seconds: int = 0


@dataclass(frozen=True)
class Stand:
    """What each secret of a key is valid for. A secret that no client saw is None."""

    own: str | None
    pending: str | None = None
    grace_seconds: int = 0
    #: The secrets that were its own before, or were to be, and what is said of each.
    former: Mapping[str | None, str] = field(default_factory=dict)
    revoked: bool = False

    def after(self, step: Step, secret: str | None = None) -> "Stand":
        """How it stands after the step, which showed this secret if it was a rotation."""
        match step.kind:
            case "rotate":
                former = {**self.former, self.pending: "REVOKED"}
                return replace(
                    self, pending=secret, grace_seconds=step.grace_seconds, former=former
                )
            case "use" if self.pending:
                said = "VALID" if self.grace_seconds else "EXPIRED"
                return replace(
                    self, own=self.pending, pending=None, former={**self.former, self.own: said}
                )
            case "revoke":
                return replace(self, revoked=True)
            case _:
                return self

    def codes(self) -> dict[str, str]:
        """The expected answer for every secret that a client has seen."""
        each = {**self.former, self.own: "VALID", self.pending: PENDING}
        return {
            secret: "REVOKED" if self.revoked else said for secret, said in each.items() if secret
        }


class Key:
    """What a client knows of a key: its id, and the ways in which it may stand."""

    def __init__(self, key_id: str, secret: str) -> None:
        self.id = key_id
        self.stands = [Stand(secret)]

    @property
    def stand(self) -> Stand:
        """Its state, when nothing is in doubt."""
        (stand,) = self.stands
        return stand


class Ledger:
    """Every key, by its name. Safe to use from several threads that have keys of their own."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        #: What was sent and not answered, by the name of the key: one step at most of each.
        self.unanswered: dict[str, Step] = {}
        self.acknowledged: dict[Kind, int] = {"create": 0, "rotate": 0, "use": 0, "revoke": 0}

    def sent(self, step: Step) -> None:
        """A client is about to send a step: from now on it may have happened."""
        self.unanswered[step.name] = step
        if step.name in self.keys:
            key = self.keys[step.name]
            key.stands = [key.stand, key.stand.after(step)]

    def answered(self, step: Step, body: Any) -> None:
        """The step was acknowledged with this body: it has happened."""
        if step.kind == "create":
            self.keys[step.name] = Key(body["id"], body["key"])
        else:
            key = self.keys[step.name]
            key.stands = [key.stands[0].after(step, body and body.get("key"))]
        del self.unanswered[step.name]
        self.acknowledged[step.kind] += 1

    def wrong(self, codes: Mapping[str, str]) -> list[str]:
        """The answers that contradict the ledger, a line each."""
        return [
            f"{name} ({key.id}): {_told(key, codes)}"
            for name, key in self.keys.items()
            if not any(_agrees(each, codes) for each in key.stands)
        ]

    def settle(self, codes: Mapping[str, str]) -> None:
        """Record the answers as seen: a doubt that they resolve stays resolved."""
        for key in self.keys.values():
            key.stands = [each for each in key.stands if _agrees(each, codes)] or key.stands

    def given_up(self, step: Step) -> None:
        """A step without a response is not repeated: its last seen state applies."""
        key = self.keys[step.name]
        # Where both ways look the same, it makes no difference which it is.
        key.stands = key.stands[:1]
        del self.unanswered[step.name]

    def secrets(self) -> list[str]:
        """Every secret that a client has seen."""
        return [secret for key in self.keys.values() for secret in key.stands[0].codes()]


def _agrees(stand: Stand, codes: Mapping[str, str]) -> bool:
    return all(codes[secret] == said for secret, said in stand.codes().items())


def _told(key: Key, codes: Mapping[str, str]) -> str:
    """What is wrong of the key, without its secrets."""
    may = [list(each.codes().values()) for each in key.stands]
    secrets = key.stands[0].codes()
    return f"its secrets are {[codes[each] for each in secrets]}, may be {may}"
