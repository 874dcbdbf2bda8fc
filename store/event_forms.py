"""Parsing audit events, of this and of earlier versions.

Earlier versions recorded less. `api_key.created` had the name, the prefix and the scopes only; a
change had the new value without the old one, in the form of the column; `member.updated` had the
new role beside the old one. What an event does not record stays unknown.
"""

from typing import Any, NamedTuple

import orjson

from hookstream_keys.store import chain

#: Details that are never a field.
_NO_FIELDS = {"changes", "reason"}

_OLD_NEW = {"old", "new"}


class Event(NamedTuple):
    """A row of the audit log, with its details parsed."""

    seq: int
    org_id: str
    action: str
    resource_id: str
    details: dict[str, Any]
    created_at: str
    #: The id of the actor, a user or key; None for the operator.
    actor: str | None
    request_id: str

    def fields(self, *names: str) -> dict[str, Any]:
        """Those of the named details that it has."""
        return {name: self.details[name] for name in names if name in self.details}

    def all_fields(self) -> dict[str, Any]:
        """The details that are fields of the resource."""
        return {name: value for name, value in self.details.items() if name not in _NO_FIELDS}

    def new_values(self) -> dict[str, Any]:
        """The new value of each field that the event changed."""
        changes = self.details.get("changes")
        if not isinstance(changes, dict):
            return {}
        return {name: _new_value(name, change) for name, change in changes.items()}


_PLACES = {name: place for place, name in enumerate(chain.COLUMNS)}


def read(row: chain.Row) -> Event:
    """The event of a row of the log. Details that are not a JSON object are ignored."""
    try:
        details = orjson.loads(row[_PLACES["details"]])
    except orjson.JSONDecodeError:
        details = {}
    return Event(
        seq=row[_PLACES["seq"]],
        org_id=row[_PLACES["org_id"]],
        action=row[_PLACES["action"]],
        resource_id=row[_PLACES["resource_id"]],
        details=details if isinstance(details, dict) else {},
        created_at=row[_PLACES["created_at"]],
        actor=row[_PLACES["user_id"]] or row[_PLACES["api_key_id"]],
        request_id=row[_PLACES["request_id"]],
    )


def _new_value(name: str, change: Any) -> Any:
    if isinstance(change, dict) and change.keys() == _OLD_NEW and _is_pair(name, change):
        return change["new"]
    # An earlier version wrote the new value alone.
    if name == "rate_limit":
        return _old_rate_limit(change)
    return bool(change) if name == "enabled" else change


def _is_pair(name: str, change: dict[str, Any]) -> bool:
    # Metadata that consists of `old` and `new` has texts there; as a pair it has objects.
    return name != "metadata" or all(isinstance(value, dict) for value in change.values())


def _old_rate_limit(value: Any) -> Any:
    """A limit as a pair of numbers, or with `seconds`, in the form of this version."""
    if isinstance(value, dict):
        value = [value.get("requests"), value.get("seconds")]
    match value:
        case [requests, seconds]:
            return {"requests": requests, "window_seconds": seconds}
        case _:
            return value
