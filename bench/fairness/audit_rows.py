"""The rows of a long audit log, whose hash chain is valid."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import orjson

from fairness import tenant
from hookstream_keys.domain import timestamps
from hookstream_keys.store import audit_details, chain

_COLUMNS = (*chain.COLUMNS, "hash")
_ADD = (
    f"insert into audit_log ({', '.join(_COLUMNS)}) "  # noqa: S608 - constants
    f"values ({', '.join('?' for _ in _COLUMNS)})"
)
_ACTIONS = ("api_key.created", "api_key.updated", "api_key.revoked", "api_key.rotated")
#: What most rows have. No request shows that it is not what their actions have.
_DETAILS = '{"key_prefix":"hs_live_0000"}'


def insert(connection: sqlite3.Connection, count: int) -> None:
    """Add so many rows to the log, the last with the largest details, and set its head."""
    seq, head = connection.execute("select seq, hash from audit_head").fetchone()
    last = [seq, bytes.fromhex(head)]
    connection.executemany(_ADD, _rows(last, count))
    connection.execute("update audit_head set seq = ?, hash = ?", (last[0], last[1].hex()))


def large_details() -> str:
    """Those of a change of every rule of a key to the largest value there is."""

    def rules(letter: str, number: int) -> dict[str, Any]:
        return {
            "name": letter * 100,
            "scopes": " ".join(f"{letter * 47}{each:02}:*" for each in range(19)),
            "allowed_ips": list(tenant.networks(number)),
            "rate_limit": {"requests": number, "window_seconds": 60},
            "metadata": dict.fromkeys(tenant.metadata(), letter * 73),
            "external_id": letter * 128,
        }

    changes = audit_details.changed(rules("a", 0xFFFE), rules("b", 0xFFFF))
    return orjson.dumps({"changes": changes}).decode()


def _rows(last: list[Any], count: int) -> Iterator[tuple[Any, ...]]:
    """The rows; `last` is kept the position and hash of the last one."""
    now, large = timestamps.to_text(timestamps.now()), large_details()
    row: dict[str, Any] = dict.fromkeys(chain.COLUMNS)
    row |= {
        "org_id": tenant.ORG,
        "env_id": tenant.PLENTY,
        "user_id": tenant.OWNER,
        "resource_type": "api_key",
        "ip_address": "192.0.2.1",
        "request_id": "req_fairness",
        "created_at": now,
    }
    for number in range(count):
        seq = last[0] + 1
        row["seq"], row["id"] = seq, tenant.event_id(seq)
        is_large = number >= count - tenant.LARGE_ROWS
        row["action"] = "api_key.updated" if is_large else _ACTIONS[number % len(_ACTIONS)]
        row["details"] = large if is_large else _DETAILS
        row["resource_id"] = tenant.key_id(0, number)
        last[:] = seq, chain.entry_hash(last[1], row)
        yield (*row.values(), last[1].hex())
