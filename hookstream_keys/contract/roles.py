"""Roles as scopes: who may do what is the table `x-rights` of `openapi.yaml`.

A role is a name for scopes, so that one rule decides for people and keys alike:
`hookstream_keys.domain.scopes`. `docs/roles.md` shows the table.
"""

from functools import cache, lru_cache
from typing import Any

from hookstream_keys.contract import spec
from hookstream_keys.domain.scopes import ALL, Scopes


@lru_cache(maxsize=256)
def scopes_of(role: str) -> Scopes:
    """The scopes of a member of this role; what is no role has none.

    It may be several, separated by commas: better-auth lets a member have them.
    """
    known = _table()["roles"]
    names = [Scopes.parse(known[name]).names for name in _names(role) if name in known]
    return Scopes(tuple(dict.fromkeys(scope for scopes in names for scope in scopes)))


@cache
def of_creators() -> Scopes:
    """What a user may do, beside what her role allows, to a key that she made."""
    return Scopes.parse(_table()["creator"])


@cache
def of_keys() -> Scopes:
    """What a key may do at most, in its own environment."""
    return Scopes.parse(_table()["key"])


@lru_cache(maxsize=256)
def scope_ceiling(role: str | None) -> frozenset[str]:
    """What a key may do at most that a member of this role gave its scopes; None: an operator."""
    asked_for = {operation.required_scope for operation in spec.operations(spec.document())}
    may = Scopes((ALL,)) if role is None else scopes_of(role)
    return frozenset(
        scope for scope in asked_for if scope and of_keys().allow(scope) and may.allow(scope)
    )


@lru_cache(maxsize=256)
def cover(role: str | None, other: str | None) -> bool:
    """Whether who has `role` may do all that `other` may; None is an operator, who may all."""
    if role is None:
        return True
    mine = scopes_of(role)
    return not mine.beyond((ALL,) if other is None else scopes_of(other).names)


def is_owner(role: str) -> bool:
    """Whether an owner is what a member of this role is, whatever else."""
    return "owner" in _names(role)


def _names(role: str) -> list[str]:
    return [name.strip() for name in role.split(",")]


def _table() -> dict[str, Any]:
    table: dict[str, Any] = spec.document()["x-rights"]
    return table
