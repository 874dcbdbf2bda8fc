"""The audit log."""

import json
import sqlite3

from hookstream_keys.store.records import AuditEvent

_ADD_EVENT = """
    insert into audit_log (id, org_id, user_id, api_key_id, action, resource_type, resource_id,
                           details, ip_address, request_id, created_at)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def insert_event(connection: sqlite3.Connection, event: AuditEvent) -> None:
    """Store an event inside the transaction of what it is about."""
    connection.execute(
        _ADD_EVENT,
        (
            event.id,
            event.org_id,
            event.user_id,
            event.api_key_id,
            event.action,
            event.resource_type,
            event.resource_id,
            json.dumps(event.details, separators=(",", ":")),
            event.ip_address,
            event.request_id,
            event.created_at,
        ),
    )
