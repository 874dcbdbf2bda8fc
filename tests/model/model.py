"""The rules of one key's life, said once more: plainly, and from the documentation alone.

What stands here is what `openapi.yaml` and `docs/life-of-a-key.md` say of keys, of verification
and of rotations. Nothing of the code under test is imported, so that a mistake there is not made
here as well.

The model knows no more of a moment than a client does: that it lay between the
sending and the answer. So a moment is a Span, and where it decides what happens, the model
names everything that may. The caller says what did, and shows what has become known since.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Code = str
#: An action of the audit log, and the rotation or the reason that it names.
Event = tuple[str, str | None]

#: What is asked of a secret that there is, in the document's order, and what an explanation says.
RULES: dict[Code, str] = {
    "REVOKED": "revoked",
    "DISABLED": "enabled",
    "EXPIRED": "expired",
    "IP_NOT_ALLOWED": "address",
    "INSUFFICIENT_SCOPE": "scopes",
    "RATE_LIMITED": "limit",
}

#: The networks that keys are bound to here, and which of the addresses that are tried lie in them.
NETWORKS: dict[str, set[str]] = {
    "192.0.2.0/25": {"192.0.2.9", "192.0.2.127"},
    "198.51.100.7/32": {"198.51.100.7"},
    "2001:db8::/32": {"2001:db8::9", "2001:db8:ffff::1"},
    "0.0.0.0/0": {"127.0.0.1", "192.0.2.9", "192.0.2.127", "192.0.2.128", "198.51.100.7"},
}


class Span(NamedTuple):
    """A moment that lies between these two, in milliseconds since 1970."""

    first: int
    last: int


#: Later than every moment.
NEVER = Span(2**60, 2**60)
ANY = Span(0, NEVER.last)


def at(moment: int) -> Span:
    return Span(moment, moment)


def earlier(one: Span, other: Span) -> Span:
    return Span(min(one.first, other.first), min(one.last, other.last))


def passed(end: Span, when: Span) -> set[bool]:
    """Whether something that was valid until `end` is over at `when`: what may be the case."""
    may_be = {True: when.last >= end.first, False: when.first < end.last}
    return {over for over, may in may_be.items() if may}


@dataclass
class Rotation:
    """A change of the key's secret."""

    id: str
    grace_seconds: int
    created: Span
    #: What the new secret's end is to be; None when it is to be the key's.
    new_end: Span | None
    state: Literal["pending", "grace", "cancelled"] = "pending"
    activated: Span | None = None
    #: How long the old secret would have been valid, and is valid now.
    old_limit: Span = NEVER
    old_end: Span = NEVER


@dataclass
class Secret:
    """A secret of the key: its own, or one that a rotation made less, or not yet, valid."""

    text: str
    rotation: Rotation | None = None

    @property
    def is_cancelled(self) -> bool:
        return self.rotation is not None and self.rotation.state == "cancelled"


class Shown(NamedTuple):
    """Rotations that a key may be shown with, by their ids, and those that it must be."""

    possible: dict[str, dict[str, Any]]
    certain: set[str]


@dataclass
class Key:
    """A key from its creation on. Every method that changes it is called when it has happened."""

    id: str
    org_id: str
    env_id: str
    name: str
    scopes: str
    created: Span
    secrets: list[Secret]
    enabled: bool = True
    expires_at: Span = NEVER
    allowed_ips: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    external_id: str | None = None
    #: How many times a day; all of them at once, so no more within one test.
    times_a_day: int | None = None
    rotations: list[Rotation] = field(default_factory=list)
    revoked: Span | None = None
    reason: str | None = None
    #: How often a use came to each code.
    uses: Counter[Code] = field(default_factory=Counter)
    #: How often a use was refused without a word on which of several codes it was.
    refused_unsaid: int = 0
    #: What the audit log must have of it.
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scopes = " ".join(named(self.scopes))
        self.events.append(("api_key.created", None))

    # What is so

    @property
    def own(self) -> Secret:
        return next(secret for secret in self.secrets if secret.rotation is None)

    @property
    def pending(self) -> Secret | None:
        for secret in self.secrets:
            if secret.rotation is not None and secret.rotation.state == "pending":
                return secret
        return None

    def end_of(self, secret: Secret) -> Span:
        """Until when a secret is valid, unless the key is ended in another way."""
        match secret.rotation:
            case Rotation(state="cancelled"):
                # What never becomes valid has no moment at which it stops being valid.
                return ANY
            case Rotation(state="pending", new_end=Span() as end):
                return end
            case Rotation(state="grace", old_end=end):
                # Revoking the key ends each of its secrets.
                return earlier(end, self.expires_at)
            case _:
                return self.expires_at

    def over(self, secret: Secret, when: Span) -> set[bool]:
        """Whether the secret has expired."""
        rotation = secret.rotation
        if rotation and rotation.state == "grace" and rotation.grace_seconds == 0:
            # It ended with the first use of the new one, and that was before.
            return {True}
        return passed(self.end_of(secret), when)

    def codes(self, secret: Secret, when: Span, ip: str | None, scopes: str | None) -> set[Code]:
        """What a use may come to: the first check that fails."""
        if self.revoked or secret.is_cancelled:
            return {"REVOKED"}
        if not self.enabled:
            return {"DISABLED"}
        over = self.over(secret, when)
        found = {"EXPIRED"} if True in over else set()
        return found | {self._code_in_time(ip, scopes)} if False in over else found

    def _code_in_time(self, ip: str | None, scopes: str | None) -> Code:
        if self.allowed_ips and not any(ip in NETWORKS[network] for network in self.allowed_ips):
            return "IP_NOT_ALLOWED"
        if not all(self.covers(wanted) for wanted in named(scopes or "")):
            return "INSUFFICIENT_SCOPE"
        return "RATE_LIMITED" if self.left() == 0 else "VALID"

    def covers(self, wanted: str) -> bool:
        """Whether the key may do what one scope names, which may itself be a wildcard."""
        resource, _, _ = wanted.partition(":")
        return not {"*", f"{resource}:*", wanted}.isdisjoint(named(self.scopes))

    def left(self) -> int | None:
        return None if self.times_a_day is None else self.times_a_day - self.uses["VALID"]

    def may_be_rotated(self, when: Span) -> set[bool]:
        if self.revoked:
            return {False}
        return {not over for over in passed(self.expires_at, when)}

    def ended_by(self, secret: Secret, when: Span) -> set[bool]:
        """Whether holding the secret is enough to end the key.

        The key's own is always; another as long as it is valid for anything.
        """
        if secret.rotation is None:
            return {True}
        if secret.is_cancelled:
            return {False}
        return {not over for over in self.over(secret, when)}

    def state(self, when: Span) -> set[str]:
        if self.revoked:
            return {"revoked"}
        if not self.enabled:
            return {"disabled"}
        return {"expired" if over else "active" for over in passed(self.expires_at, when)}

    # What happens

    def used(self, secret: Secret, code: Code, when: Span) -> None:
        """A use came to `code`. The first that is valid makes a pending secret the key's own."""
        self.uses[code] += 1
        if code == "VALID" and secret is self.pending:
            self.activate(secret, when)

    def activate(self, secret: Secret, when: Span) -> None:
        rotation = secret.rotation
        assert rotation is not None
        old = self.own
        old.rotation, secret.rotation = rotation, None
        rotation.state, rotation.activated = "grace", when
        rotation.old_limit = self.expires_at
        rotation.old_end = self.end_of_grace(rotation, when)
        if rotation.new_end is not None:
            self.expires_at = rotation.new_end
        self.events.append(("api_key.rotation_activated", rotation.id))

    def end_of_grace(self, rotation: Rotation, activated: Span) -> Span:
        """The grace begins with the first use, and never makes the old secret valid for longer."""
        grace = rotation.grace_seconds * 1000
        return earlier(Span(activated.first + grace, activated.last + grace), rotation.old_limit)

    def update(self, changes: dict[str, Any]) -> None:
        for name, value in changes.items():
            setattr(self, name, " ".join(named(value)) if name == "scopes" else value)
        if "expires_at" in changes and self.pending and self.pending.rotation:
            # The last expiry that was set applies.
            self.pending.rotation.new_end = None
        self.events.append(("api_key.updated", None))

    def rotate(self, rotation: Rotation, text: str) -> None:
        self.cancel_pending()
        self.rotations.append(rotation)
        self.secrets.append(Secret(text, rotation))
        self.events.append(("api_key.rotated", rotation.id))

    def cancel_pending(self) -> None:
        if self.pending and self.pending.rotation:
            self.pending.rotation.state = "cancelled"

    def cancel(self, rotation: Rotation) -> None:
        rotation.state = "cancelled"
        self.events.append(("api_key.rotation_cancelled", rotation.id))

    def end(self, reason: str, when: Span) -> None:
        """It is revoked. Revoked before, it stays as it is."""
        if self.revoked is None:
            self.revoked, self.reason = when, reason
            self.events.append(("api_key.revoked", reason))

    # What is shown

    def shown(self, when: Span) -> dict[str, Any]:
        """The key as it must be shown: a Span for a moment, a set where it may be one of several.

        Counts of uses are left out: they are shown a few seconds late.
        """
        prefix = self.own.text[:12]
        return {
            "id": self.id,
            "org_id": self.org_id,
            "env_id": self.env_id,
            "name": self.name,
            "prefix": prefix,
            "key_prefix": prefix,
            "scopes": self.scopes,
            # An owner creates it, and the role never changes.
            "role": "owner",
            "state": self.state(when),
            "enabled": self.enabled,
            "expires_at": self.expires_at,
            "allowed_ips": self.allowed_ips,
            "metadata": self.metadata,
            "external_id": self.external_id,
            "rate_limit": self.rate_limit(),
            "rotations": self.shown_rotations(when),
            "created_at": self.created,
            "revoked": int(self.revoked is not None),
            "revoked_at": self.revoked or NEVER,
            "revocation_reason": self.reason,
        }

    def shown_through(self, secret: Secret) -> dict[str, Any]:
        """The key as verification shows it to a client with the secret."""
        return {
            "id": self.id,
            "org_id": self.org_id,
            "env_id": self.env_id,
            "name": self.name,
            "key_prefix": secret.text[:12],
            "scopes": self.scopes,
            "metadata": self.metadata,
            "external_id": self.external_id,
            "expires_at": self.end_of(secret),
            "rate_limit": self.rate_limit(),
        }

    def rate_limit(self) -> dict[str, int] | None:
        if self.times_a_day is None:
            return None
        return {"requests": self.times_a_day, "window_seconds": 86_400}

    def shown_rotations(self, when: Span) -> Shown:
        """One that is pending, and each that left an old secret which is still valid."""
        possible, certain = {}, set()
        for secret in self.secrets:
            rotation = secret.rotation
            if rotation is None or rotation.state == "cancelled":
                continue
            valid = {True}
            if rotation.state == "grace":
                valid = {not self.revoked and not over for over in self.over(secret, when)}
            if True in valid:
                possible[rotation.id] = self.shown_rotation(secret, rotation)
            if False not in valid:
                certain.add(rotation.id)
        return Shown(possible, certain)

    def shown_rotation(self, secret: Secret, rotation: Rotation) -> dict[str, Any]:
        return {
            "id": rotation.id,
            "state": rotation.state,
            "key_prefix": secret.text[:12],
            "grace_period_seconds": rotation.grace_seconds,
            "expires_at": self.end_of(secret),
            "created_at": rotation.created,
            "activated_at": rotation.activated or NEVER,
        }

    def learn_activated(self, rotation_id: str, activated: Span) -> None:
        """A response has the time of a rotation's activation, from which its grace period runs."""
        for rotation in self.rotations:
            if rotation.id == rotation_id and rotation.activated is not None:
                rotation.activated = activated
                rotation.old_end = self.end_of_grace(rotation, activated)


def named(scopes: str) -> list[str]:
    """The scopes of a list, which spaces or commas separate."""
    return scopes.replace(",", " ").split()
