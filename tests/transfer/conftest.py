"""What these tests begin with: a file with rows of every kind, and an empty PostgreSQL database."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.backups import edit, run_here
from support.postgresql import shared_cluster

from hookstream_keys.cli.operations import ask
from hookstream_keys.store import Store, open_store

#: Rows that no command makes: what better-auth and requests leave.
ROWS = [
    # As Kysely's adapter writes a time, and as Prisma's does.
    "insert into session select 's1', '2999-01-01T00:00:00.123Z', 'token-1',"
    " '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', '::1', 'curl', id, null from user",
    "insert into session select 's2', 32472144000123, 'token-2', 1767225600000, 1767225600000,"
    " null, null, id, null from user",
    "insert into verification values ('v', 'me', 'code', '2999-01-01T00:00:00.000Z',"
    " '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z')",
    "insert into invitation select 'i', organizationId, 'ada@example.com', 'admin', 'pending',"
    " '2999-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', userId from member limit 1",
    "insert into key_usage select id, 'VALID', 3, '2026-01-01T00:00:00.000Z', '192.0.2.1'"
    " from api_key",
    "insert into receipt values (randomblob(32), randomblob(32), x'00ff', '2026-01-01')",
]


def _happen(store: Store, org_id: str) -> None:
    """Keys, rotations and environments in several states."""
    environment = {"org_id": org_id, "name": "Ü \U0001f511", "slug": "two", "mode": "test"}
    env_id = ask(store, "createEnvironment", environment)["environment"]["id"]
    gone = ask(store, "createEnvironment", environment | {"slug": "gone"})["environment"]["id"]
    where = {"org_id": org_id, "env_id": env_id}
    rules_of_keys: list[dict[str, Any]] = [
        {"metadata": {"a": "ü"}, "external_id": "x"},
        {"allowed_ips": ["192.0.2.0/24"], "expires_at": "2999-01-01T00:00:00Z"},
        {"rate_limit": {"requests": 5, "window_seconds": 60}},
        {},
    ]
    made = [
        ask(store, "createApiKey", {"name": f"key {number}", **where, **rules})["id"]
        for number, rules in enumerate(rules_of_keys)
    ]
    ask(store, "createApiKey", {"name": "g", "org_id": org_id, "env_id": gone})
    ask(store, "rotateApiKey", {"grace_period_seconds": 3600}, id=made[2])
    ask(store, "revokeApiKey", id=made[3])
    ask(store, "updateApiKey", {"enabled": False}, id=made[0])
    ask(store, "deleteEnvironment", id=gone)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file, made once."""
    path = tmp_path_factory.mktemp("original") / "hookstream.db"
    url = f"sqlite:///{path}"
    facts = json.loads(run_here("init", "--json", "--database", url).stdout)
    store = open_store(url)
    _happen(store, facts["org_id"])
    store.close()
    edit(path, *ROWS)
    return path


@pytest.fixture
def file(original: Path, tmp_path: Path) -> Path:
    """A copy of the file, to move."""
    copy = tmp_path / "hookstream.db"
    copy.touch(0o600)
    copy.write_bytes(original.read_bytes())
    return copy


@pytest.fixture
def url() -> str:
    """An empty database in PostgreSQL."""
    return shared_cluster().new_database()
