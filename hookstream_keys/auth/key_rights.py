"""The one rule of rights for a key, for sessions, keys and the operator alike.

A key's effective rights are its scopes within its role's ceiling, from its networks, until its
expiry, at its rate limit. A caller who makes a key, gets a new secret of one, or lifts a
restriction must hold rights that cover the key's effective rights before and after the change.
Narrowing needs only the operation's scope.

`restricted_by` records who restricted a key: for each restricting rule the highest role that set
it, which is the lowest that may lift it. `secret` is there when a higher role than the key's own
widened its scopes: a lower role cannot delegate what that role granted. A change that names the
key's role gives the key to that role again.
"""

from collections.abc import Container, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from hookstream_keys.contract import roles
from hookstream_keys.domain import networks
from hookstream_keys.domain.key_rules import RULES, SECRET
from hookstream_keys.domain.limits import Limit
from hookstream_keys.domain.records import record
from hookstream_keys.domain.scopes import ALL, Scopes
from hookstream_keys.store.records import ApiKey, Rotation

#: With these a key acts on the rights of other keys, within its role: then its role itself is a
#: right.
_ON_OTHER_KEYS = frozenset(("api-keys:create", "api-keys:rotate", "api-keys:update"))

_EVERYTHING = Scopes((ALL,))
#: An empty list allows all networks.
_ANYWHERE = ("0.0.0.0/0", "::/0")
#: Sorts after every timestamp.
_NEVER = "~"


class Shortfall(NamedTuple):
    """A rule of a key that a caller's rights do not cover, and why."""

    rule: str
    message: str


@record
class Rights:
    """The rights that a caller may delegate: those of a session's role, or a key's own."""

    #: In the organization; None for an operator, who has no role.
    role: str | None
    scopes: Scopes = _EVERYTHING
    expires_at: str | None = None
    allowed_ips: tuple[str, ...] = ()
    rate_limit: Limit | None = None

    def shortfalls(self, key: ApiKey) -> list[Shortfall]:
        """Where the key's effective rights are beyond these."""
        beyond = self.scopes.beyond(Scopes.parse(key.scopes).names)
        found = [Shortfall("scopes", f"{name} is not covered") for name in beyond]
        effective = effective_scopes(key.scopes, key.role)
        if effective & _ON_OTHER_KEYS and not roles.cover(self.role, key.role):
            found += self.may_not_give(key)
        else:
            ceiling = sorted(effective - roles.scope_ceiling(self.role))
            found += [
                Shortfall("scopes", f"{name} is beyond the caller's role") for name in ceiling
            ]
        if self.expires_at is not None and (key.expires_at or _NEVER) > self.expires_at:
            found.append(Shortfall("expires_at", "is later than the caller's own"))
        if self.allowed_ips:
            found += [
                Shortfall("allowed_ips", f"{network} is not within the caller's own")
                for network in networks.beyond(self.allowed_ips, key.allowed_ips or _ANYWHERE)
            ]
        own = self.rate_limit
        if own and not (key.rate_limit and key.rate_limit.is_within(own)):
            found.append(Shortfall("rate_limit", "is more than the caller's own"))
        return found

    def may_not_delegate(self, key: ApiKey) -> list[Shortfall]:
        """Whether a higher role than these rights' granted the key's scopes."""
        granted_by = key.restricted_by.get(SECRET)
        if granted_by is None or not _is_higher(granted_by, self.role):
            return []
        return [Shortfall("scopes", f"were granted by a higher role, {granted_by}")]

    def may_not_lift(self, before: ApiKey, after: ApiKey) -> list[Shortfall]:
        """The rules that `after` lifts, although a higher role restricted them."""
        rules = lifted(before, after)
        found = [
            Shortfall(rule, f"was restricted by a higher role, {before.restricted_by[rule]}")
            for rule in RULES
            if rule in rules and not roles.cover(self.role, before.restricted_by.get(rule, ""))
        ]
        return found + (self.may_not_give(after) if "role" in rules else [])

    def may_not_give(self, key: ApiKey) -> list[Shortfall]:
        """Whether the key's role is higher than these rights'."""
        is_higher = not roles.cover(self.role, key.role)
        return [Shortfall("role", "is higher than the caller's own")] if is_higher else []


@lru_cache(maxsize=1024)
def effective_scopes(scopes: str, role: str | None) -> frozenset[str]:
    """The key's scopes that operations of this API require, within its role's ceiling."""
    allow = Scopes.parse(scopes).allow
    return frozenset(name for name in roles.scope_ceiling(role) if allow(name))


def lifted(before: ApiKey, after: ApiKey) -> set[str]:
    """The rules by which `after` allows more than `before`."""
    found = set()
    if Scopes.parse(before.scopes).beyond(Scopes.parse(after.scopes).names):
        found.add("scopes")
    if not roles.cover(before.role, after.role):
        found.add("role")
    if after.enabled and not before.enabled:
        found.add("enabled")
    if (after.expires_at or _NEVER) > (before.expires_at or _NEVER):
        found.add("expires_at")
    if before.allowed_ips and networks.beyond(before.allowed_ips, after.allowed_ips or _ANYWHERE):
        found.add("allowed_ips")
    limit = before.rate_limit
    if limit and not (after.rate_limit and after.rate_limit.is_within(limit)):
        found.add("rate_limit")
    return found


def restrictions_of_new(key: ApiKey, role: str | None) -> dict[str, str]:
    """The `restricted_by` of a key that a caller of this role creates."""
    rules = _restricted(key)
    if roles.cover(key.role, role):
        # It has its creator's role, without a restriction.
        rules.discard("role")
    return _ordered(dict.fromkeys(rules, recorded(role))) if rules else {}


def at_activation(key: ApiKey, rotation: Rotation) -> ApiKey:
    """The key after the first use of a pending secret."""
    if not rotation.sets_expiry:
        return replace(key, prefix=rotation.prefix)
    record = dict(key.restricted_by)
    if rotation.expires_at is None:
        record.pop("expires_at", None)
    elif rotation.restricted_by is not None:
        record["expires_at"] = _higher(record.get("expires_at"), rotation.restricted_by)
    return replace(
        key,
        prefix=rotation.prefix,
        expires_at=rotation.expires_at,
        restricted_by=_ordered(record),
    )


def restrictions_after(
    before: ApiKey, after: ApiKey, role: str | None, given: Container[str]
) -> Mapping[str, str]:
    """The `restricted_by` of a key after an allowed change by a caller of this role.

    `given` are the rules that the change names. A rule that restricts nothing has no entry. A
    named rule that restricts has the higher of the two roles: narrowing by a lower role does not
    let it lift the rule, and a higher role that repeats the rule takes it over.
    """
    restricted = _restricted(after)
    record = {
        rule: by
        for rule, by in before.restricted_by.items()
        if rule == SECRET or rule in restricted
    }
    for rule in restricted:
        if rule in given:
            record[rule] = _higher(record.get(rule), role)
    if "role" in given:
        if SECRET in record and not _is_higher(record[SECRET], role):
            # The change set the role that may get a new secret.
            del record[SECRET]
    elif "scopes" in lifted(before, after) and _is_higher(role, after.role):
        record[SECRET] = _higher(record.get(SECRET), role)
    return _ordered(record)


def _is_higher(role: str | None, other: str | None) -> bool:
    """Whether a role's ceiling is beyond the other's."""
    return bool(roles.scope_ceiling(role) - roles.scope_ceiling(other))


def _ordered(record: Mapping[str, str]) -> dict[str, str]:
    """A record in its stored order, so that equal ones are the same text."""
    return {rule: record[rule] for rule in (*RULES, SECRET) if rule in record}


def _restricted(key: ApiKey) -> set[str]:
    """The rules that restrict a key."""
    restricts = {
        "scopes": key.scopes != ALL,
        "role": not roles.cover(key.role, None),
        "enabled": not key.enabled,
        "expires_at": key.expires_at is not None,
        "allowed_ips": bool(key.allowed_ips),
        "rate_limit": key.rate_limit is not None,
    }
    return {rule for rule, holds in restricts.items() if holds}


def _higher(one: str | None, other: str | None) -> str:
    """The higher of a recorded role, if there is one, and a caller's."""
    return one if one is not None and roles.cover(one, other) else recorded(other)


def recorded(role: str | None) -> str:
    """A caller's role as `restricted_by` has it; None is an operator's."""
    # An operator counts as an owner, so owners may undo it.
    return "owner" if role is None else role
