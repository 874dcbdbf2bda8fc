"""What a database must be like after any fault: whole, and every row beside its audit row."""

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from support import run

_EVENTS = "select resource_id from audit_log where action ="
_ROTATION = "select json_extract(details, '$.rotation_id') from audit_log where action ="

#: The stored rows, and their audit events. Both have the same ids, each once. What
#: another rotation cancelled has no row of its own.
PAIRS = {
    "keys and their creation": ("select id from api_key", f"{_EVENTS} 'api_key.created'"),
    "revoked keys and their revocation": (
        "select id from api_key where revoked_at is not null",
        f"{_EVENTS} 'api_key.revoked'",
    ),
    "rotations and their beginning": (
        "select id from rotation",
        f"{_ROTATION} 'api_key.rotated'",
    ),
    "rotations and their first use": (
        "select id from rotation where activated_at is not null",
        f"{_ROTATION} 'api_key.rotation_activated'",
    ),
    "organizations and their creation": (
        "select id from organization",
        f"{_EVENTS} 'organization.created'",
    ),
    "environments and their creation": (
        "select id from environment",
        f"{_EVENTS} 'environment.created'",
    ),
    "rotations in use and those activated": (
        "select id from rotation where state = 'grace'",
        "select id from rotation where activated_at is not null",
    ),
    "digests, each in one place": (
        "select hex(digest) from api_key union all select hex(digest) from rotation",
        "select hex(digest) from api_key union select hex(digest) from rotation",
    ),
    # The first key was made by init, which needs none.
    "idempotency records and idempotent requests": (
        "select count(*) from receipt",
        "select max((select count(*) from api_key) - 1, 0) + (select count(*) from rotation)",
    ),
}


def unsound(path: Path) -> list[str]:
    """Where the database is no longer whole, a line each: what its rows say could be anything."""
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        connection.execute("begin")
        return [
            f"{pragma}: {row}"
            for pragma, valid in (("integrity_check", [("ok",)]), ("foreign_key_check", []))
            if (rows := connection.execute(f"pragma {pragma}").fetchall()) != valid
            for row in rows
        ]


def unmatched(path: Path) -> list[str]:
    """Which rows are not beside their audit rows, a line for each kind; of a whole database."""
    found = []
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        connection.execute("begin")
        for title, (one, other) in PAIRS.items():
            left = sorted(row[0] for row in connection.execute(one))
            right = sorted(row[0] for row in connection.execute(other))
            if left != right:
                found.append(f"{title}: {len(left)} and {len(right)}, not the same")
    return found


def faults(path: Path) -> list[str]:
    """What is wrong with the database, a line each; keys and rotations all came by `clients`."""
    return unsound(path) or unmatched(path)


def pending(path: Path, secrets: list[str]) -> set[str]:
    """Those of the secrets that the database has as made by a rotation, and not used yet."""
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        rows = connection.execute("select digest from rotation where state = 'pending'")
        digests = {row[0] for row in rows}
    return {each for each in secrets if hashlib.sha256(each.encode()).digest() in digests}


def audit_head(path: Path, kept: str | None) -> str:
    """Verify the chain as an operator does, that it still has the head `kept`; give the new one.

    The state must be what the log says as well.
    """
    since = ("--since-head", kept) if kept else ()
    answer = run("audit", "verify", "--state", "--json", *since, database=path)
    assert answer.returncode == 0, (answer.stdout, answer.stderr)
    head: str = json.loads(answer.stdout)["head"]
    return head
