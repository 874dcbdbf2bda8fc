"""Fixtures for every kind of test: a database, and a server on it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import IN_SANDBOX, ON_POSTGRESQL, Database, Server, Tenant, serving
from support.programs import require
from support.sandbox_server import serving_sandbox

HERE = Path(__file__).parent
ROOT = HERE.parent


#: The slowest files, slowest first: they begin first, so that `-n` spreads them.
SLOWEST = (
    "deploy/test_topology.py",
    "api/test_rate_limits.py",
    "api/test_usage.py",
    "cli/test_serve.py",
    "api/test_sessions.py",
    "api/test_refusals.py",
    "cli/test_keys_rotate.py",
    "model/test_model.py",
    "cli/test_audit.py",
    "cli/test_keys_revoke.py",
    "api/test_retention.py",
    "cli/test_keys_list.py",
    "cli/test_audit_state.py",
    "api/test_rotations.py",
    "cli/test_init.py",
    "unit/test_audit_chain.py",
    "cli/test_keys_as_the_api.py",
    "cli/test_keys_create.py",
    "unit/test_scopes.py",
    "cli/test_audit_prune.py",
    "docs/test_readme.py",
    "unit/test_retention.py",
    "unit/test_store_better_auth.py",
    "unit/test_store_conformance.py",
    "interop/test_prism.py",
    "interop/test_code_samples.py",
    "kit/test_consumers_schemathesis.py",
    "kit/test_pytest_plugin.py",
    "kit/test_sandbox_start.py",
    "kit/test_generated_clients.py",
    "kit/test_compatibility.py",
    "kit/test_contract_testing.py",
    "kit/client/test_guards.py",
    "kit/test_language_examples.py",
    "kit/test_guard_examples.py",
    "kit/test_sandbox_tenants.py",
    "kit/test_sandbox_determinism.py",
    "kit/test_control_api.py",
    "kit/test_sandbox_stop.py",
    "kit/test_dredd.py",
    "security/test_fuzzers.py",
)
RANKS = {path: rank for rank, path in enumerate(SLOWEST)}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "server(workers, **settings): how the module's `server` is started"
    )
    config.addinivalue_line(
        "markers", "not_in_sandbox(reason): what a sandbox does not do, or not so"
    )
    config.addinivalue_line("markers", "on_sqlite(reason): what is tested on SQLite only")
    config.addinivalue_line("markers", "on_postgresql(reason): what is tested on PostgreSQL only")
    # pytest-xdist would begin with the files that have the most tests, not with the slowest.
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(
        key=lambda item: RANKS.get(item.path.as_posix().removeprefix(f"{HERE}/"), len(RANKS))
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    mark = item.get_closest_marker("not_in_sandbox")
    if IN_SANDBOX and mark is not None:
        pytest.skip(mark.kwargs["reason"])
    mark = item.get_closest_marker("on_sqlite")
    if ON_POSTGRESQL and mark is not None:
        pytest.skip(mark.kwargs["reason"])
    mark = item.get_closest_marker("on_postgresql")
    if not ON_POSTGRESQL and mark is not None:
        pytest.skip(mark.kwargs["reason"])


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A database that nothing has been done with."""
    return Database(tmp_path / "hookstream.db")


@pytest.fixture(scope="module")
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The settings of the module's mark `pytest.mark.server(...)`."""
    mark = request.node.get_closest_marker("server")
    return dict(mark.kwargs) if mark else {}


@pytest.fixture(scope="module")
def sandbox_server(
    settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A sandbox in the place of the module's server."""
    with serving_sandbox(tmp_path_factory.mktemp("sandbox"), **settings) as running:
        yield running


@pytest.fixture(scope="module")
def server_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Database:
    """The database of the module's server, with the tenant that `init` creates."""
    if IN_SANDBOX:
        running: Server = request.getfixturevalue("sandbox_server")
        return running.database
    database = Database(tmp_path_factory.mktemp("server") / "hookstream.db")
    database.init()
    return database


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, settings: dict[str, Any], server_database: Database
) -> Iterator[Server]:
    """The module's server."""
    if IN_SANDBOX:
        yield request.getfixturevalue("sandbox_server")
        return
    with serving(server_database, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def tenant(server_database: Database) -> Tenant:
    """What `init` created in the module's database."""
    return server_database.tenant


@pytest.fixture(scope="module")
def owner(server: Server) -> dict[str, str]:
    """The headers of the organization's owner, signed in."""
    token = server.database.add_session(server.database.tenant.user_id)
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js."""
    return require("node", "nodejs npm")


#: What a checkout has beside the project's own files.
NOT_THE_PROJECT = shutil.ignore_patterns(
    ".git",
    ".tox",
    ".venv*",
    "build",
    "dist",
    "node_modules",
    "*.egg-info",
    "__pycache__",
    ".*cache",
)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh copy, so that nothing which lies around is built in."""
    copy = tmp_path_factory.mktemp("checkout") / "hookstream-keys"
    shutil.copytree(ROOT, copy, ignore=NOT_THE_PROJECT, symlinks=True)
    return copy
