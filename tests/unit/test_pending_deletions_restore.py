"""Pending deletions, of the database and of a backup, at a restore."""

from functools import partial
from pathlib import Path

import pytest
from support.backups import edit
from support.results import result_of
from unit.conftest import Sqlite
from unit.test_pending_deletions_state import NOW, World

from hookstream_keys.cli.operations import ask, operator_context
from hookstream_keys.handlers import audit
from hookstream_keys.store import Restored, SealKeys, Store, open_store

# A backup is a file of SQLite's.
pytestmark = pytest.mark.usefixtures("sqlite")

KEY = bytes(32)


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def back_up(world: World, path: Path) -> Path:
    _, state = world.store.backup(path, NOW, KEY)
    assert not state.faults
    return path


def restore(
    store: Store, path: Path, *, unsealed: bool = False, rehearse: bool = False
) -> Restored:
    context = operator_context(store)
    return store.restore(
        path,
        NOW,
        partial(audit.restored, context),
        SealKeys((KEY,), "a test"),
        deletions=audit.deletion_events(context.sources),
        revocations=audit.revocation_events(context.sources),
        unsealed=unsealed,
        rehearse=rehearse,
    )


def valid_keys(sqlite: Sqlite, env_id: str) -> int:
    ((count,),) = sqlite.run(
        "select count(*) from api_key where revoked_at is null and env_id = ?", env_id
    )
    return int(count)


def delete(world: World, what: str) -> None:
    if what == "environment":
        ask(world.store, "deleteEnvironment", id=world.big)
    else:
        ask(world.store, "deleteOrganization", id=world.org_id)
    assert result_of(world.store.has_pending_deletions())


@pytest.mark.parametrize("what", ["environment", "organization"])
def test_a_pending_deletion_is_completed_before_it_is_compared(
    tmp_path: Path, sqlite: Sqlite, store: Store, world: World, what: str
) -> None:
    backup = back_up(world, tmp_path / "before.backup")
    delete(world, what)
    restore(store, backup, rehearse=True)
    assert result_of(store.has_pending_deletions())
    found = restore(store, backup)
    assert not result_of(store.has_pending_deletions())
    # It is back, and its keys are revoked.
    assert result_of(store.find_environment(world.big)) is not None
    assert valid_keys(sqlite, world.big) == 0
    assert found.preserved.keys_revoked > 0
    assert world.faults() == []


@pytest.mark.parametrize("what", ["environment", "organization"])
@pytest.mark.parametrize("since", ["completed", "pending"])
def test_a_backup_that_has_a_pending_deletion_is_restored_as_deleted(
    tmp_path: Path, sqlite: Sqlite, store: Store, world: World, what: str, since: str
) -> None:
    delete(world, what)
    backup = back_up(world, tmp_path / "amid.backup")
    if since == "completed":
        world.finish(1000)
    restore(store, backup)
    assert not result_of(store.has_pending_deletions())
    assert result_of(store.find_environment(world.big)) is None
    assert valid_keys(sqlite, world.big) == 0
    if what == "organization":
        assert result_of(store.find_organization(world.org_id)) is None
        assert sqlite.run("select count(*) from rotation") == [(0,)]
    assert world.faults() == []


@pytest.mark.parametrize("what", ["environment", "organization"])
def test_a_backup_that_becomes_the_database_goes_on_with_its_deletions(
    tmp_path: Path, world: World, what: str
) -> None:
    delete(world, what)
    backup = back_up(world, tmp_path / "amid.backup")
    (tmp_path / "new").mkdir()
    new = Sqlite(tmp_path / "new")
    store = open_store(new.url)
    restore(store, backup)
    restored = World.__new__(World)
    restored.store, restored.events = store, world.events
    assert restored.faults() == []
    assert result_of(store.has_pending_deletions())
    restored.finish(15)
    assert valid_keys(new, world.big) == 0
    assert restored.faults() == []
    store.close()


def test_an_unsealed_backup_without_its_mark_makes_no_key_valid(
    tmp_path: Path, world: World
) -> None:
    delete(world, "environment")
    backup = back_up(world, tmp_path / "amid.backup")
    edit(backup, "delete from pending_deletion")
    (tmp_path / "new").mkdir()
    new = Sqlite(tmp_path / "new")
    store = open_store(new.url)
    found = restore(store, backup, unsealed=True)
    assert any("pending_deletion" in warning for warning in found.warnings)
    assert result_of(store.has_pending_deletions())
    while result_of(store.continue_deletion(world.events, 1000, 60.0)):
        pass
    assert valid_keys(new, world.big) == 0
    store.close()
