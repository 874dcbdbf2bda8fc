"""What an operator does with keys at the command line."""

import json
import subprocess
from typing import Any

from support import Database, Tenant, run


def keys(database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the commands on keys."""
    return run("keys", *arguments, database=database.path)


def answer(database: Database, *arguments: str) -> dict[str, Any]:
    """What a program is answered."""
    done = keys(database, *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def create(database: Database, tenant: Tenant, *options: str, name: str = "n") -> dict[str, Any]:
    """Issue a key in the tenant's environment."""
    where = ("--org", tenant.org_id, "--env", tenant.env_id)
    return answer(database, "create", "--name", name, *where, *options)


def assert_facts(text: str, **expected: str) -> None:
    """Find each of these among the lines `name  value` that a person is shown."""
    said = {
        name: value.strip()
        for name, _, value in (line.partition(" ") for line in text.splitlines())
    }
    assert said | expected == said


def assert_refused(database: Database, *arguments: str, says: str) -> None:
    """Run a command that must fail with one line, and change nothing."""
    before = database.dump()
    done = keys(database, *arguments)
    assert (done.returncode, done.stdout) == (1, ""), done.stdout
    assert done.stderr.startswith("hookstream-keys: ")
    assert says in done.stderr
    assert done.stderr.splitlines() == [done.stderr.rstrip("\n")]
    assert database.dump() == before


def assert_misspelt(database: Database, *arguments: str, says: str) -> None:
    """Run an invalid command: it prints the usage, and changes nothing."""
    before = database.dump()
    done = keys(database, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert database.dump() == before


def audit_rows(database: Database, key_id: str) -> list[tuple[Any, ...]]:
    """What the audit log has of a key: the action, and who is behind it from where."""
    return database.execute(
        "select action, user_id, api_key_id, ip_address from audit_log"
        " where resource_id = ? order by seq",
        (key_id,),
    )
