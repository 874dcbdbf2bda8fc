"""The stored records. Times are text as `hookstream_keys.domain.timestamps` writes it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from hookstream_keys.contract.types import KeyState
from hookstream_keys.domain.keys import Mode
from hookstream_keys.domain.limits import Limit
from hookstream_keys.domain.records import record

#: Called with a long task's name, the number of finished steps, and of all steps.
Progress = Callable[[str, int, int], None]

Item = TypeVar("Item")
Position = TypeVar("Position")


class Page(NamedTuple):
    """A part of a list, newest first: at most `limit`, after the row of this time and id."""

    limit: int
    before: tuple[str, str] | None = None


class Scanned(NamedTuple, Generic[Item, Position]):
    """What a bounded scan of a list has found."""

    items: list[Item]
    #: Where the scan ended before it had found as many items as were wanted, if it did: the list
    #: goes on after this row.
    position: Position | None = None


class Ban(NamedTuple):
    """A ban of a user, by better-auth's admin plugin."""

    #: Its expiry; None when it never expires.
    expires_at: str | None

    def holds(self, now: str) -> bool:
        """Whether it has not expired at `now`."""
        return self.expires_at is None or self.expires_at >= now


@record
class User:
    """A user."""

    id: str
    name: str
    #: In lower case; unique.
    email: str
    created_at: str
    updated_at: str
    email_verified: bool = False
    #: The URL of a picture.
    image: str | None = None
    #: These two need better-auth's plugins.
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
    """A session of a user, not expired when the store returns it."""

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
    #: The organization of requests that name none: the active one, or else the first that the user
    #: joined. None for a user without an organization.
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
    #: The role of the user, in a list of their organizations.
    role: str | None = None
    #: There also: when they became a member, and the membership's id. The list has this order.
    joined: tuple[str, str] | None = None


@record
class Member:
    """A membership of a user in an organization."""

    id: str
    org_id: str
    user_id: str
    #: A role, or several as better-auth writes them, separated by commas.
    role: str
    created_at: str
    #: Of the user.
    name: str
    email: str


@record
class Environment:
    """Keys belong to an environment; its `mode` decides their prefix."""

    id: str
    org_id: str
    name: str
    slug: str
    mode: Mode
    created_at: str


@record
class Rotation:
    """A rotation of a key's secret, with the secret that is not the key's own.

    That is the new one while the rotation is `pending` and after it was `cancelled`, and the old
    one after the activation: `grace`.
    """

    id: str
    key_id: str
    #: Of that secret, as `expires_at`.
    prefix: str
    state: Literal["pending", "grace", "cancelled"]
    grace_period_seconds: int
    #: Whether the new secret has an expiry of its own: `expires_at`. Otherwise the key's applies.
    sets_expiry: bool
    expires_at: str | None
    created_at: str
    created_by: str | None
    activated_at: str | None = None
    #: The role that set `expires_at`, where the rotation does: a lower one may not lift it.
    restricted_by: str | None = None


@record
class ApiKey:
    """A key without its secret. `created_by` is the user or key that created it."""

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
    #: Networks in CIDR notation; empty allows any address.
    allowed_ips: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    external_id: str | None = None
    #: Its rate limit.
    rate_limit: Limit | None = None
    revoked_at: str | None = None
    revocation_reason: str | None = None
    #: The role of the member who granted its scopes, which is its ceiling; None for an operator,
    #: who has no role.
    role: str | None = None
    #: For each restricting rule, the highest role that set it: no lower one may lift it
    #: (`hookstream_keys.auth.key_rights`).
    restricted_by: Mapping[str, str] = field(default_factory=dict)
    #: Where it was found by a secret that is not its own: the rotation of that secret.
    rotation: Rotation | None = None


#: The outcome of a valid key.
USED = "VALID"


class Attempts(NamedTuple):
    """How often a key was verified with one outcome; and when and from where last."""

    key_id: str
    #: `USED`, or the verification code for which the key was refused.
    outcome: str
    times: int
    last_at: str
    last_ip: str | None


class KeyUsage(NamedTuple):
    """The usage of a key and its failed attempts."""

    used: Attempts | None
    #: One for each reason of refusal.
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
    """Selects keys of an organization, at the moment `now`."""

    org_id: str
    now: str
    env_id: str | None = None
    created_by: str | None = None
    #: Who has a pending or valid secret, by a rotation, of a key that they did not create.
    rotated_by: str | None = None
    name: str | None = None
    state: KeyState | None = None


#: Rows that can be pruned: expired sessions and verifications, idempotency records, rotations that
#: were cancelled or whose grace period has ended, and deleted environments with their keys.
Prunable = Literal["sessions", "verifications", "idempotency_records", "rotations", "environments"]


@record
class DescendantRevocation:
    """Descendants of a user or key to revoke with another change, and who began it.

    Within one organization. Their pending rotations of other keys are cancelled: they have the new
    secret.
    """

    #: That of the change's audit event.
    id: str
    #: The id of the user or key.
    made_by: str
    org_id: str
    reason: str
    #: The id of the key or member that was changed.
    cause: str
    #: Keys that this role covers are kept; None: none is.
    kept_role: str | None
    begun_at: str
    user_id: str | None
    api_key_id: str | None
    ip_address: str | None
    request_id: str


class RevocationWork(NamedTuple):
    """A revocation of descendants to begin with another change, and the events that it makes."""

    revocation: DescendantRevocation
    events: "RevocationEvents"


class RevocationProgress(NamedTuple):
    """How many keys a revocation has revoked so far, and whether that is all of them."""

    keys_revoked: int
    is_complete: bool


class CancelledRotation(NamedTuple):
    """A pending rotation that is cancelled with the revocation of its creator."""

    id: str
    #: The prefix of the new secret.
    prefix: str
    key_id: str
    env_id: str


class RevocationEvents(NamedTuple):
    """Makes the audit events of a revocation of descendants, at the present moment."""

    revoked: "Callable[[DescendantRevocation, RevokedKey], AuditEvent]"
    cancelled: "Callable[[DescendantRevocation, CancelledRotation], AuditEvent]"


@record
class PendingDeletion:
    """A deletion of an environment or organization that has begun, and who began it."""

    #: Of the environment or organization.
    id: str
    kind: Literal["environment", "organization"]
    org_id: str
    deleted_at: str
    #: Why its keys are revoked.
    reason: str
    user_id: str | None
    api_key_id: str | None
    ip_address: str | None
    request_id: str
    #: How many keys it has revoked so far.
    keys_revoked: int = 0


class RevokedKey(NamedTuple):
    """A key that is revoked with another change."""

    id: str
    env_id: str
    prefix: str


class DeletionEvents(NamedTuple):
    """Makes the audit events of a pending deletion."""

    #: That of each key that was not revoked before.
    revoked: "Callable[[PendingDeletion, RevokedKey], AuditEvent]"
    #: That of its end, with how many keys it has revoked.
    completed: "Callable[[PendingDeletion, int], AuditEvent]"


@record
class AuditEvent:
    """A row of the audit log: who did what to which resource, from where, in which request."""

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
    #: Its environment, if it has one.
    env_id: str | None = None


@record
class AuditFilter:
    """Selects events of the organization that have all the given values."""

    org_id: str
    env_id: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    action: str | None = None


@record
class ChainFault:
    """The first place where the audit log is not what was written.

    `changed`: the row was changed, or renumbered after rows before it were removed. `removed`: the
    row is missing. `reordered`: another row is in its place. `head`: the rows are consistent, but
    do not match the head.
    """

    problem: Literal["changed", "removed", "reordered", "head"]
    seq: int
    #: Of the row at this place, if there is one.
    id: str | None
    message: str


@record
class ChainCheck:
    """How far the audit log's chain is valid: `rows` rows, the last with the hash `head`."""

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
    """What a prune of the audit log removed: the number of rows, and the last one's hash."""

    rows: int
    through_seq: int
    hash: str
    #: When the last of them was written.
    until: str


class Backup(NamedTuple):
    """The extent of a backup: the number of rows in its audit log, and their head."""

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
    """The keys of backups' seals, the newest first; none where there is no signing secret."""

    keys: tuple[bytes, ...] = field(repr=False)
    #: Where the secrets are from, in words; without a secret the file that would be read, if any.
    source: str


class RestoreChange(NamedTuple):
    """A restore's change of one resource, for the audit log."""

    action: str
    org_id: str
    resource_id: str
    details: Mapping[str, Any]


@dataclass(slots=True)
class Preserved:
    """What a restore preserved: revocations and restrictions since the backup."""

    #: Keys that are valid in the backup and stay revoked, or are revoked since they were deleted.
    keys_revoked: int = 0
    #: Keys that stay disabled, or keep a more restrictive expiry, scopes, networks or limit.
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
    """The result of a restore."""

    backup: Backup
    #: Whether there was a database to compare it with. Otherwise later revocations are unknown.
    compared: bool
    #: Whether the backup's seal is valid.
    sealed: bool
    #: The faults of the backup that were overridden, each a sentence that continues "it".
    warnings: list[str] = field(default_factory=list)
    #: How many rows were changed, by kind and change: `api_key.restored` were missing before,
    #: `.updated` existed and differ, `.removed` existed before.
    changes: dict[str, int] = field(default_factory=dict)
    preserved: Preserved = field(default_factory=Preserved)


@record
class IdempotencyRecord:
    """An idempotent request and its answer, sealed: `hookstream_keys.context.idempotency`."""

    id: bytes
    fingerprint: bytes
    sealed: bytes = field(repr=False)
    created_at: str
    #: Ids of the same request under older secrets; they are not stored.
    also: tuple[bytes, ...] = ()


@record
class Tenancy:
    """A user's first resources: an organization, their membership, and an environment."""

    organization: Organization
    member: Member
    environment: Environment
    events: tuple[AuditEvent, ...]


@record
class Tenant:
    """The first tenant: an owner with an organization, an environment and a key."""

    user: User
    credential: Credential
    tenancy: Tenancy
    key: ApiKey
    key_digest: bytes = field(repr=False)
    key_event: AuditEvent
