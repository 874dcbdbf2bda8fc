"""The budget of function calls per request, and the functions that were called when it was set.

`python -m calls.budget`, in the folder of the tests, decides it anew: what is found is then
what is allowed.
"""

import json
import platform
import tempfile
from pathlib import Path
from typing import Any

from calls.driving import Request, count
from support import SECRET, Database, Tenant

from hookstream_keys.settings import Settings

FILE = Path(__file__).with_name("budget.json")
WORKS = ("verify", "authorize", "create")
#: Another version of Python enters other functions of its library.
PYTHON = ".".join(platform.python_version_tuple()[:2])

Counts = dict[str, dict[str, int]]


def request_for(work: str, tenant: Tenant) -> Request:
    """The request of a kind of work that is counted."""
    key = (b"x-api-key", tenant.key.encode())
    json_key = (key, (b"content-type", b"application/json"))
    body = {"name": "Production key", "org_id": tenant.org_id, "env_id": tenant.env_id}
    path = "/v1/auth/api-keys"
    return {
        "verify": Request("POST", f"{path}/verify", 200, json_key, _json({"key": tenant.key})),
        "authorize": Request("GET", "/v1/auth/authorize", 204, (key,)),
        "create": Request("POST", path, 201, json_key, _json(body)),
    }[work]


def count_for(work: str, database: Database, tenant: Tenant) -> dict[str, int]:
    """How often the server enters which function for it, with its default settings."""
    settings = Settings(database=f"sqlite:///{database.path}", auth_secret=SECRET)
    return count(settings, request_for(work, tenant))


def read() -> dict[str, Any]:
    """What was decided: `python`; `budget` by work; `functions` by name, a number for each work."""
    found: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return found


def overrun(work: str, found: dict[str, int], decided: dict[str, Any]) -> str:
    """A report of what exceeds the budget: by how much, and which functions grew. Empty if none."""
    budget, total = decided["budget"][work], sum(found.values())
    if total <= budget:
        return ""
    column = WORKS.index(work)
    before = {name: numbers[column] for name, numbers in decided["functions"].items()}
    more = {name: number - before.get(name, 0) for name, number in found.items()}
    lines = [
        f"  +{more[name]} {name}, entered {found[name]} times"
        for name in sorted(found, key=lambda name: (-more[name], name))
        if more[name] > 0
    ]
    over = f"{work} enters {total} functions, {total - budget} more than its budget of {budget}:"
    return "\n".join([over, *lines])


def write(counts: Counts) -> None:
    """Decide that what was found is what is allowed."""
    names = sorted({name for found in counts.values() for name in found})
    functions = [
        f"    {json.dumps(name)}: {[counts[work].get(name, 0) for work in WORKS]}" for name in names
    ]
    budget = {work: sum(counts[work].values()) for work in WORKS}
    FILE.write_text(
        f'{{\n  "python": "{PYTHON}",\n  "budget": {json.dumps(budget)},\n  "functions": {{\n'
        + ",\n".join(functions)
        + "\n  }\n}\n",
        "utf-8",
    )


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder, "hookstream.db"))
        tenant = database.init()
        write({work: count_for(work, database, tenant) for work in WORKS})
    print(read()["budget"])


if __name__ == "__main__":
    main()
