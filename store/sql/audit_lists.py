"""Lists of the audit log's events: which index serves which filters."""

import json
from collections.abc import Sequence

from hookstream_keys.store import chain
from hookstream_keys.store.records import AuditEvent, AuditFilter, Scanned
from hookstream_keys.store.sql.connection import Row, Value
from hookstream_keys.store.sql.scans import Scan, Scans

#: All of an event but its position.
_COLUMNS = tuple(name for name in chain.COLUMNS if name != "seq")
_LARGEST = _COLUMNS.index("details")
#: The next action of the organization in alphabetical order: a loose index scan.
_NEXT_ACTION = """
    select action from audit_log indexed by audit_log_action
    where org_id = ? and action > ? order by action limit 1
"""
_FIND_ID = "select id from audit_log where seq = ? and org_id = ?"


class AuditLists(Scans):
    """Lists of events. Every page is a bounded scan (`scans`)."""

    async def list_events(
        self, wanted: AuditFilter, *, before: int | None, limit: int
    ) -> Scanned[AuditEvent, str]:
        values: dict[str, Value] = {
            "org_id": wanted.org_id,
            "env_id": wanted.env_id,
            "resource_type": wanted.resource_type,
            "resource_id": wanted.resource_id,
            "action": wanted.action,
        }
        conditions: Sequence[str] = ()
        resumable = None
        if wanted.resource_id is not None:
            streams = [("audit_log_resource", "org_id = :org_id and resource_id = :resource_id")]
            conditions = _conditions(wanted, "env_id", "action", "resource_type")
            if wanted.env_id is not None:
                # A cursor at an event of another environment would reveal the resource.
                resumable = "t.env_id = :env_id"
        elif wanted.env_id is not None:
            streams = [("audit_log_env", "org_id = :org_id and env_id = :env_id")]
            conditions = _conditions(wanted, "action", "resource_type")
        elif wanted.action is not None or wanted.resource_type is not None:
            actions = await self._actions(wanted)
            values |= {f"action_{number}": action for number, action in enumerate(actions)}
            streams = [
                ("audit_log_action", f"org_id = :org_id and action = :action_{number}")
                for number, _ in enumerate(actions)
            ]
        else:
            streams = [("audit_log_org", "org_id = :org_id")]
        if not streams:
            return Scanned([])
        scan = Scan(
            "audit_log", _COLUMNS, _LARGEST, ("seq",), streams, values, conditions, resumable
        )
        rows, position = await self.scan(scan, None if before is None else (before,), limit)
        last = await self.one(_FIND_ID, (*position, wanted.org_id)) if position else None
        return Scanned([_event(row) for row in rows], last[0] if last else None)

    async def _actions(self, wanted: AuditFilter) -> list[str]:
        """The actions that the filter selects: one, or those about resources of its type.

        The first part of an action is the type, and there are few actions of a type.
        """
        kind = wanted.resource_type
        if wanted.action is not None:
            is_of_type = kind is None or wanted.action.partition(".")[0] == kind
            return [wanted.action] if is_of_type else []
        found, prefix = [], f"{kind}."
        row = await self.one(_NEXT_ACTION, (wanted.org_id, prefix))
        while row and row[0].startswith(prefix):
            found.append(row[0])
            row = await self.one(_NEXT_ACTION, (wanted.org_id, row[0]))
        return found


def _conditions(wanted: AuditFilter, *columns: str) -> Sequence[str]:
    given = (column for column in columns if getattr(wanted, column) is not None)
    return [f"t.{column} = :{column}" for column in given]


def _event(row: Row) -> AuditEvent:
    values = dict(zip(_COLUMNS, row, strict=True))
    return AuditEvent(**(values | {"details": json.loads(values["details"])}))
