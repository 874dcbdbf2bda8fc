"""What is stored, as values. Times are text as `hookstream_keys.domain.timestamps` writes it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from hookstream_keys.contract.types import KeyState
from hookstream_keys.domain.keys import Mode
from hookstream_keys.domain.limits import Limit
from hookstream_keys.domain.records import record

#: Is told what a long task is at, how many steps of that were done, and how many there are.
Progress = Callable[[str, int, int], None]


class Page(NamedTuple):
    """A part of a list, newest first: at most `limit`, after the row of this time and id."""

    limit: int
    before: tuple[str, str] | None = None


class Ban(NamedTuple):
    """That an administrator has banned a user, with better-auth's admin plugin."""

    #: When it ends; None when it does not.
    expires_at: str | None

    def holds(self, now: str) -> bool:
        """Whether it has not ended at `now`."""
        return self.expires_at is None or self.expires_at >= now


@record
class User:
    """A person."""

    id: str
    name: str
    #: In small letters; no two users have the same.
    email: str
    created_at: str
    updated_at: str
    email_verified: bool = False
    #: The address of a picture.
    image: str | None = None
    #: These two are known only where better-auth has the plugins that they belong to.
    ban: Ban | None = None
    two_factor_enabled: bool = False


@record
class Credential:
    """A user's password, as better-auth stores one: in an account of its own."""

    account_id: str
    user_id: str
    #: As `hookstream_keys.domain.passwords` makes it.
    password_hash: str = field(repr=False)
    created_at: str


@record
class Session:
    """A signed-in user. `expires_at` has not passed when the store hands one out."""

    id: str
    user_id: str
    token: str = field(repr=False)
    expires_at: str
    created_at: str
    #: When it was last renewed.
    updated_at: str
    ip_address: str | None = None
    user_agent: str | None = None
    active_org_id: str | None = None
    #: The organization that is meant where none is named: the active one, or else the first that
    #: the user joined. None when she belongs to none.
    org_id: str | None = None


class SessionBound(NamedTuple):
    """How many sessions a user may have, and the audit event of each that ends for a new one."""

    most: int
    ended: Callable[[Session], "AuditEvent"]


@record
class Organization:
    """A tenant."""

    id: str
    name: str
    slug: str
    created_at: str
    #: What the user who asks is in it, where a list of hers is asked for.
    role: str | None = None


@record
class Member:
    """A user's place in an organization."""

    id: str
    org_id: str
    user_id: str
    #: A role, or what better-auth made of several: their names, separated by commas.
    role: str
    created_at: str
    #: Of the user.
    name: str
    email: str


@record
class Environment:
    """What keys are issued for; `mode` decides their prefix."""

    id: str
    org_id: str
    name: str
    slug: str
    mode: Mode
    created_at: str


@record
class Rotation:
    """A change of a key's secret, and the secret that is not the key's own because of it.

    That is the new one while the rotation is `pending`, for ever when it was `cancelled`, and
    the old one once the new one has taken its place: `grace`.
    """

    id: str
    key_id: str
    #: Of that secret, as is `expires_at`.
    prefix: str
    state: Literal["pending", "grace", "cancelled"]
    grace_period_seconds: int
    #: Whether the new secret has an end of its own: `expires_at`. Else the key's is its own.
    sets_expiry: bool
    expires_at: str | None
    created_at: str
    created_by: str | None
    activated_at: str | None = None
    #: The role of who set `expires_at`, where the rotation does: a lower one may not lift it.
    restricted_by: str | None = None


@record
class ApiKey:
    """An issued key without its secret. `created_by` is the user or the key that made it."""

    id: str
    org_id: str
    env_id: str
    name: str
    prefix: str
    scopes: str
    created_by: str | None
    created_at: str
    enabled: bool = True
    expires_at: str | None = None
    #: Networks in CIDR notation; none means that any address will do.
    allowed_ips: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    external_id: str | None = None
    #: How often it may be used.
    rate_limit: Limit | None = None
    revoked_at: str | None = None
    revocation_reason: str | None = None
    #: What whoever gave it its scopes was in the organization: it has no more rights there. None
    #: where that was an operator, whom no role limits.
    role: str | None = None
    #: For each rule that is restricted, the highest role that restricted it: no lower one may lift
    #: it. `hookstream_keys.auth.key_rights` says more.
    restricted_by: Mapping[str, str] = field(default_factory=dict)
    #: Where it was found by a secret that is not its own: the rotation that this is of.
    rotation: Rotation | None = None


#: The outcome of a key that was good.
USED = "VALID"


class Attempts(NamedTuple):
    """How often a key was used, or tried, with one outcome; and when and from where last."""

    key_id: str
    #: A code of verification's: `USED`, or why the key was refused.
    outcome: str
    times: int
    last_at: str
    last_ip: str | None


class KeyUsage(NamedTuple):
    """How a key was used, and how it was tried to be."""

    used: Attempts | None
    #: One for each reason for which it was refused.
    refused: tuple[Attempts, ...]

    @classmethod
    def of(cls, attempts: Iterable[Attempts]) -> "KeyUsage":
        """The usage of one key, from its attempts of each outcome."""
        used, refused = None, []
        for attempt in attempts:
            if attempt.outcome == USED:
                used = attempt
            else:
                refused.append(attempt)
        return cls(used, tuple(refused))


@record
class KeyFilter:
    """Which keys of an organization are asked for, at the moment `now`."""

    org_id: str
    now: str
    env_id: str | None = None
    created_by: str | None = None
    #: Who has a secret by a rotation, that is pending or valid, of a key that they did not make.
    rotated_by: str | None = None
    name: str | None = None
    state: KeyState | None = None


#: Rows that can be pruned once they are over: sessions and verifications that have expired,
#: idempotency records, rotations that were cancelled or whose grace has ended, and environments
#: that were deleted, with their keys.
Prunable = Literal["sessions", "verifications", "idempotency_records", "rotations", "environments"]


@record
class DescendantRevocation:
    """Keys to revoke in the transaction of another change: those that a user or key made.

    And those that these made, and so on, within one organization. Rotations of other keys that
    they began and that are pending are cancelled: they have the new secret.
    """

    #: The id of the user or key.
    made_by: str
    org_id: str
    revoked_at: str
    reason: str
    #: Makes the audit event of each.
    event: "Callable[[ApiKey], AuditEvent]"
    #: Makes the audit event of each pending rotation of another key, which is cancelled.
    cancelled: "Callable[[Rotation], AuditEvent]"
    #: Only keys of these roles; None for all.
    roles: frozenset[str | None] | None = None


@record
class AuditEvent:
    """One line of the audit log: who did what to what, from where, in which request."""

    id: str
    org_id: str
    user_id: str | None
    api_key_id: str | None
    action: str
    resource_type: str
    resource_id: str
    details: Mapping[str, Any]
    ip_address: str | None
    request_id: str
    created_at: str
    #: The environment that it is about, if it is about one.
    env_id: str | None = None


@record
class AuditFilter:
    """Which events are wanted: those of the organization that have all the values given."""

    org_id: str
    env_id: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    action: str | None = None


@record
class ChainFault:
    """The first place where the audit log is not what was written.

    `changed`: the row was changed, or what preceded it was removed and it was numbered anew.
    `removed`: the row is missing. `reordered`: another row stands in its place, and it
    elsewhere. `head`: the rows fit, but not to the head that was kept of them.
    """

    problem: Literal["changed", "removed", "reordered", "head"]
    seq: int
    #: Of the row that stands there, if one does.
    id: str | None
    message: str


@record
class ChainCheck:
    """How far the audit log's chain holds: `rows` rows, of which the last has the hash `head`."""

    rows: int
    head: str
    fault: ChainFault | None
    #: How many rows were before them, and pruned.
    pruned: int = 0

    @property
    def seq(self) -> int:
        """The position of the last row."""
        return self.pruned + self.rows


class Pruned(NamedTuple):
    """What a prune of the audit log removed: so many rows, the last of this position and hash."""

    rows: int
    through_seq: int
    hash: str
    #: When the last of them was written.
    until: str


class Backup(NamedTuple):
    """How far a copy of the database goes: its audit log has so many rows, and this head."""

    rows: int
    head: str
    #: When the last of them was written.
    until: str
    #: How many rows were before them, and pruned.
    pruned: int = 0

    @property
    def seq(self) -> int:
        """The position of the last row."""
        return self.pruned + self.rows


@record
class SealKeys:
    """What backups may be sealed with, the newest first; none where there is no signing secret."""

    keys: tuple[bytes, ...] = field(repr=False)
    #: Where the secrets are from, in words; of none the file that would be read.
    source: str


class RestoreChange(NamedTuple):
    """What a restore did to one thing, for the audit log."""

    action: str
    org_id: str
    resource_id: str
    details: Mapping[str, Any]


@dataclass(slots=True)
class Preserved:
    """What a restore did not take from the backup, since it was ended or narrowed afterwards."""

    #: Keys that are valid in the backup and stay revoked, or were revoked because they are gone.
    keys_revoked: int = 0
    #: Keys that stay disabled, or keep an end, scopes, networks or a limit that is less.
    keys_narrowed: int = 0
    #: Keys with a secret in the backup that was replaced or cancelled since.
    keys_rotated: int = 0
    #: Members of the backup who were removed, or whose user was deleted, and stay out.
    members_removed: int = 0
    #: Members who have a lower role than in the backup, and keep it.
    roles_lowered: int = 0
    #: Invitations that are pending in the backup and stay cancelled.
    invitations_cancelled: int = 0


@dataclass(slots=True)
class Restored:
    """What putting a backup back came to."""

    backup: Backup
    #: Whether there was a database to compare it with. Else nobody knows what was ended since.
    compared: bool
    #: Whether the backup's seal was checked, and fits.
    sealed: bool
    #: What was wrong with the backup and overridden, a sentence each that begins with "it".
    warnings: list[str] = field(default_factory=list)
    #: How many rows were changed, by kind and what was done: `api_key.restored` were gone and are
    #: back, `.updated` are there and another than before, `.removed` were there and are gone.
    changes: dict[str, int] = field(default_factory=dict)
    preserved: Preserved = field(default_factory=Preserved)


@record
class IdempotencyRecord:
    """An idempotent request and its answer, sealed: `hookstream_keys.context.idempotency`."""

    id: bytes
    fingerprint: bytes
    sealed: bytes = field(repr=False)
    created_at: str
    #: Ids that a receipt of the same may have been stored by; they are not stored with this one.
    also: tuple[bytes, ...] = ()


@record
class Tenancy:
    """What a user begins with: an organization, her place in it, and an environment."""

    organization: Organization
    member: Member
    environment: Environment
    events: tuple[AuditEvent, ...]


@record
class Tenant:
    """An owner with an organization, an environment and a first key: all there is to begin with."""

    user: User
    credential: Credential
    tenancy: Tenancy
    key: ApiKey
    key_digest: bytes = field(repr=False)
    key_event: AuditEvent
