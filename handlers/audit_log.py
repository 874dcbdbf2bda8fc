"""The audit log: reading it."""

import dataclasses
from typing import Any

from hookstream_keys.handlers import access, pagination
from hookstream_keys.handlers.context import Answer, RequestContext
from hookstream_keys.store import AuditEvent

#: The position after the oldest event: the first event of a log has the position 1.
END = 0


async def list_audit_log(
    context: RequestContext,
    limit: int,
    org_id: str | None = None,
    resource_type: str | None = None,
    resource_id: str | None = None,
    action: str | None = None,
    cursor: str | None = None,
) -> Answer:
    """A page of the events that the caller may read, newest first."""
    visible = await access.audit_filter(context, org_id)
    wanted = dataclasses.replace(
        visible, resource_type=resource_type, resource_id=resource_id, action=action
    )
    before = None if cursor is None else await _position(context, visible.org_id, cursor)
    body = await pagination.page(
        "audit_log",
        limit,
        lambda most: context.store.list_events(wanted, before=before, limit=most),
        _views,
        position_of=lambda last: last.id,
        cursor_of=str,
    )
    # Hookstream calls the cursor so.
    return {**body, "next_cursor": body["cursor"]}, 200


async def _position(context: RequestContext, org_id: str, cursor: str) -> int:
    """The position of the cursor's event, or, where the log has no such event, that of its end.

    A cursor is an event's ID, not its position: positions reveal the events of all organizations.
    An event that was pruned has no older ones, since a prune removes the oldest.
    """
    position = await context.store.find_event_position(org_id, cursor)
    return END if position is None else position


async def _views(events: list[AuditEvent]) -> list[dict[str, Any]]:
    return [_view(event) for event in events]


def _view(event: AuditEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "org_id": event.org_id,
        "user_id": event.user_id,
        "api_key_id": event.api_key_id,
        "action": event.action,
        "resource_type": event.resource_type,
        "resource_id": event.resource_id,
        "details": event.details,
        "ip_address": event.ip_address,
        "request_id": event.request_id,
        "created_at": event.created_at,
    }
