"""The more restrictive of two values of a column: first the backup's, then the present one.

They are in the columns' format.
"""

import json
from typing import Any

from hookstream_keys.contract import roles
from hookstream_keys.domain import networks as cidr
from hookstream_keys.domain.key_rules import RULES, SECRET
from hookstream_keys.domain.limits import Limit
from hookstream_keys.domain.scopes import Scopes
from hookstream_keys.store.sql import better_auth
from hookstream_keys.store.sql.text import to_json


def scopes(was: str, now: str) -> str:
    """What both cover; empty where no scope is in both."""
    return str(Scopes.parse(was).common(Scopes.parse(now)))


def networks(was: str, now: str) -> str | None:
    """The networks that are in both; None where none is. An empty list allows any address."""
    mine, theirs = was.split(), now.split()
    if not mine or not theirs:
        return " ".join(mine or theirs)
    return " ".join(cidr.common(mine, theirs)) or None


def expiry(was: str | None, now: str | None) -> str | None:
    """The earlier of two times; None is never."""
    return min(filter(None, (was, now)), default=None)


def rate_limit(was: str | None, now: str | None) -> str | None:
    """The limit that is within the other, or else the present one; None is no limit."""
    if was is None or now is None:
        return was or now
    mine, theirs = (Limit(*map(int, text.split("/"))) for text in (was, now))
    return was if mine.is_within(theirs) else now


def key_role(was: str | None, now: str | None) -> str | None:
    """The role that the other one covers, or else the present one; None may do all."""
    return was if roles.cover(now, was) else now


def restrictions(was: str, now: str) -> str:
    """Of each restricting rule the higher of the two roles: no lower one may lift it."""
    mine, theirs = json.loads(was), json.loads(now)
    higher = {}
    for rule in (*RULES, SECRET):
        one, other = mine.get(rule), theirs.get(rule)
        if one is not None or other is not None:
            higher[rule] = one if other is None or roles.cover(one or "", other) else other
    return to_json(higher)


def revocation(was: str | None, now: str | None) -> str | None:
    """A revoked key stays revoked, since then and for that reason."""
    return now or was


def member_role(was: str, now: str) -> str:
    """The role that the other one covers, or else the present one."""
    if roles.is_owner(was) and not roles.is_owner(now):
        return now
    may_no_more = not roles.scopes_of(now).beyond(roles.scopes_of(was).names)
    return was if may_no_more else now


def invitation_status(was: str, now: str) -> str:
    """An invitation that is no longer pending stays so."""
    return now if was == "pending" else was


def moment(was: Any, now: Any) -> Any:
    """The earlier of two times in any of better-auth's forms."""
    return min(was, now, key=better_auth.moment)
