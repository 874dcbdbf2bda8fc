"""Quotas: how many resources another one may have at most.

A tenant whose number of resources is bounded costs other tenants a bounded amount of work. The
settings have the numbers. The store counts inside the transaction that adds a resource, so
concurrent requests cannot exceed a quota.
"""

from typing import Self

from hookstream_keys.domain.records import record


@record
class Quota:
    """The maximum of one kind of resource, and the variable of the setting that raises it."""

    most: int
    variable: str
    #: What is counted, as a sentence with a place for the maximum.
    rule: str
    #: How the caller makes room.
    remedy: str

    @property
    def message(self) -> str:
        """The message of an error: the quota, its value, and how to stay below it or raise it."""
        return (
            f"{self.rule.format(self.most)} {self.remedy}; an operator of this server can raise "
            f"{self.variable}."
        )


@record
class Quotas:
    """All quotas; None for no limit. The command line, which the operator uses, has none."""

    organizations_per_user: Quota | None = None
    environments_per_organization: Quota | None = None
    keys_per_environment: Quota | None = None
    rotations_per_key: Quota | None = None
    members_per_organization: Quota | None = None

    @classmethod
    def of(
        cls,
        *,
        organizations_per_user: int | None = None,
        environments_per_organization: int | None = None,
        keys_per_environment: int | None = None,
        rotations_per_key: int | None = None,
        members_per_organization: int | None = None,
    ) -> Self:
        """The quotas of these maxima; None for no limit."""
        return cls(
            # Whatever their role: an owner who could hand organizations over would have no limit.
            organizations_per_user=_quota(
                organizations_per_user,
                "HOOKSTREAM_MAX_ORGANIZATIONS_PER_USER",
                "A user may be a member of at most {} organizations.",
                "Leave or delete one that is not needed",
            ),
            environments_per_organization=_quota(
                environments_per_organization,
                "HOOKSTREAM_MAX_ENVIRONMENTS_PER_ORGANIZATION",
                "An organization may have at most {} environments.",
                "Delete one that is not needed",
            ),
            keys_per_environment=_quota(
                keys_per_environment,
                "HOOKSTREAM_MAX_KEYS_PER_ENVIRONMENT",
                "An environment may have at most {} keys that are neither revoked nor expired.",
                "Revoke keys that are not needed",
            ),
            rotations_per_key=_quota(
                rotations_per_key,
                "HOOKSTREAM_MAX_ROTATIONS_PER_KEY",
                "A key may have at most {} rotations that are pending or in their grace period.",
                "Wait until a grace period is over, or choose shorter ones",
            ),
            members_per_organization=_quota(
                members_per_organization,
                "HOOKSTREAM_MAX_MEMBERS_PER_ORGANIZATION",
                "An organization may have at most {} members.",
                "Remove one who no longer needs access",
            ),
        )


NO_QUOTAS = Quotas()


def _quota(most: int | None, variable: str, rule: str, remedy: str) -> Quota | None:
    return None if most is None else Quota(most, variable, rule, remedy)
