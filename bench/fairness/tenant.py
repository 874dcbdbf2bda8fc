"""The heavy tenant: how much it has of everything, and the ids and secrets of it.

All follow from numbers, so that the rows and the requests that name them need no file between them.
"""

import hashlib
from dataclasses import dataclass

from hookstream_keys.domain import keys
from hookstream_keys.domain.sources import Random

ORG, DOOMED_ORG = "org_heavy", "org_doomed"
#: The owner of both organizations, the user with most organizations, and who began most rotations.
OWNER, USER_OF_MANY, ROTATOR = "usr_owner", "usr_of_many", "usr_rotator"
#: Bearer tokens of the sessions of two users.
OWNER_TOKEN, TOKEN_OF_MANY = "o" * 32, "m" * 32
#: Of all users that sign in.
PASSWORD = "correct horse battery"  # noqa: S105 - of users in a benchmark's database only

#: Of its environments: most keys active, revoked, or expired; and those that requests change.
PLENTY, REVOKED, EXPIRED, DOOMED = "env_plenty", "env_revoked", "env_expired", "env_doomed"
DESCENDANTS, SPARE, OF_DOOMED_ORG = "env_descendants", "env_spare", "env_of_doomed_org"

#: The key with most rotations, and the caller of verifications.
ROTATED_KEY, CALLER_KEY = "ak_rotated", "ak_caller"

#: Members whose keys are theirs, and keys that created others: each has as many descendants.
MAKERS = ROOTS = 8
#: Keys in one batch, each with the most networks that a key may have.
KEYS_WITH_NETWORKS, NETWORKS = 100, 50
#: The newest keys have the most metadata, and the newest audit events the largest details.
LARGE_ROWS = 1_000
#: Users that sign in, in turn: the sign-ins of one are limited, whatever the settings.
USERS_THAT_SIGN_IN = 16


@dataclass(frozen=True)
class Sizes:
    """How many rows there are, all in proportion to the keys."""

    keys: int

    def part(self, of_a_million: int) -> int:
        """As many for each million keys."""
        return max(1, self.keys * of_a_million // 1_000_000)

    @property
    def audit_rows(self) -> int:
        """Rows of the audit log."""
        return self.keys

    @property
    def organizations(self) -> int:
        """Organizations of one user."""
        return self.part(20_000)

    @property
    def members(self) -> int:
        """Members of one organization."""
        return self.part(10_000)

    @property
    def deleted_environments(self) -> int:
        """Deleted environments of one organization."""
        return self.part(50_000)

    @property
    def rotations(self) -> int:
        """Rotations of one key, all but the last cancelled."""
        return self.part(100_000)

    @property
    def rotated_keys(self) -> int:
        """Other keys with a rotation by the same user, pending."""
        return self.part(10_000)

    @property
    def revoked(self) -> int:
        """Keys of the environment of revoked ones."""
        return self.part(200_000)

    @property
    def expired(self) -> int:
        """Keys of the environment of expired ones."""
        return self.part(100_000)

    @property
    def doomed(self) -> int:
        """Keys of the environment that is deleted."""
        return self.part(200_000)

    @property
    def of_doomed_org(self) -> int:
        """Keys of the organization that is deleted."""
        return self.part(100_000)

    @property
    def descendants(self) -> int:
        """Descendants of each maker and of each root."""
        return self.part(10_000)

    @property
    def quota(self) -> int:
        """The quota of keys of an environment; the environment of active keys has more."""
        return self.part(100_000)

    @property
    def plenty(self) -> int:
        """Keys of the environment of active ones: the rest."""
        others = self.revoked + self.expired + self.doomed + self.of_doomed_org
        return self.keys - others - (MAKERS + ROOTS) * self.descendants


def key_id(group: int, number: int) -> str:
    """The id of a key of a group; `rows` makes the same in SQL."""
    return f"ak_{group:02x}{number:030x}"


def maker(number: int) -> str:
    """The user id of a maker."""
    return f"usr_maker_{number}"


def member_of_maker(number: int) -> str:
    """The id of the maker's membership."""
    return f"mem_maker_{number}"


def user_that_signs_in(number: int) -> str:
    """Their email address."""
    return f"sign-in-{number}@example.com"


def event_id(seq: int) -> str:
    """The id of the audit event of this position."""
    return f"al_{seq:032x}"


def known_key(number: int) -> keys.NewKey:
    """A key whose secret is known: number 0 is the caller's, the others have networks."""
    content = hashlib.sha256(b"fairness %d" % number).digest()
    return keys.generate("live", Random(token_bytes=lambda size: content[:size]))


def networks(number: int) -> tuple[str, ...]:
    """The networks of a key: others than those of each other key."""
    return tuple(f"2001:db8:{number:x}:{each:x}::/64" for each in range(1, NETWORKS + 1))


def metadata() -> dict[str, str]:
    """The most metadata that a key may have, 4096 bytes as JSON."""
    # Each takes the name of 2 digits, the value, 4 quotation marks, a colon and a comma.
    return {f"{number:02}": "m" * 73 for number in range(50)}
