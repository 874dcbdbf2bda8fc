"""Role-based access control: the table `x-rights` of `openapi.yaml` maps roles to scopes.

A role is a name for scopes, so that one rule decides for users and keys alike:
`hookstream_keys.domain.scopes`. `docs/roles.md` shows the table.
"""

from functools import cache, lru_cache
from typing import Any

from hookstream_keys.contract import spec
from hookstream_keys.domain.scopes import ALL, Scopes


@lru_cache(maxsize=256)
def scopes_of(role: str) -> Scopes:
    """The scopes of a member of this role; an unknown role has none.

    It may be several, separated by commas, as in better-auth.
    """
    known = _table()["roles"]
    names = [Scopes.parse(known[name]).names for name in _names(role) if name in known]
    return Scopes(tuple(dict.fromkeys(scope for scopes in names for scope in scopes)))


@cache
def creator_scopes() -> Scopes:
    """What users may do to keys that they created, besides their role's scopes."""
    return Scopes.parse(_table()["creator"])


@cache
def key_scopes() -> Scopes:
    """The scope ceiling of all keys, in their own environment."""
    return Scopes.parse(_table()["key"])


@lru_cache(maxsize=256)
def scope_ceiling(role: str | None) -> frozenset[str]:
    """The ceiling of a key whose scopes a member of this role granted; None: an operator."""
    asked_for = {operation.required_scope for operation in spec.operations(spec.document())}
    may = Scopes((ALL,)) if role is None else scopes_of(role)
    return frozenset(
        scope for scope in asked_for if scope and key_scopes().allow(scope) and may.allow(scope)
    )


@lru_cache(maxsize=256)
def cover(role: str | None, other: str | None) -> bool:
    """Whether `role` allows all that `other` does; None is an operator, who may do all."""
    if role is None:
        return True
    mine = scopes_of(role)
    return not mine.beyond((ALL,) if other is None else scopes_of(other).names)


def is_owner(role: str) -> bool:
    """Whether `owner` is among the roles."""
    return "owner" in _names(role)


def _names(role: str) -> list[str]:
    return [name.strip() for name in role.split(",")]


def _table() -> dict[str, Any]:
    table: dict[str, Any] = spec.document()["x-rights"]
    return table
