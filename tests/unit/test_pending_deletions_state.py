"""Pending deletions and `audit verify --state`: what the log says of them, and of their rows."""

from typing import Any

import pytest
from support.results import result_of, together
from unit.conftest import Engine

from hookstream_keys.cli.operations import ask, operator_context
from hookstream_keys.handlers import audit, bootstrap
from hookstream_keys.store import Store
from hookstream_keys.store.sql.batches import ROWS_AT_ONCE
from hookstream_keys.store.sqlite import state_rows

# The state is compared with the log on SQLite only.
pytestmark = pytest.mark.usefixtures("sqlite")

NOW = "2099-01-01T00:00:00.000Z"
UNLIMITED = float("inf")
#: A mark as an attacker with the database's file may add it.
ADD = """
    insert into pending_deletion (id, kind, org_id, deleted_at, reason, request_id)
    values (?, ?, ?, ?, 'cessationOfOperation', ?)
"""


class World:
    """An organization with many keys in two environments, made by the API's handlers."""

    def __init__(self, store: Store) -> None:
        self.store = store
        context = operator_context(store)
        # The hash is of no password, and there is no sign-in.
        made = result_of(
            bootstrap.create_first_tenant(
                context,
                store,
                org="Acme",
                env="Main",
                email="owner@example.com",
                password_hash="x:y",
            )
        )
        assert made is not None
        self.events = audit.deletion_events(context.sources)
        self.org_id, self.env_id = made.tenant.key.org_id, made.tenant.key.env_id
        where = {"org_id": self.org_id}
        with together(store):
            body = {"name": "Big", "slug": "big", **where}
            self.big = ask(store, "createEnvironment", body)["environment"]["id"]
            for number in range(ROWS_AT_ONCE + 20):
                key = ask(store, "createApiKey", {"name": "k", "env_id": self.big, **where})
                if number % 9 == 0:
                    ask(store, "rotateApiKey", {"grace_period_seconds": 60}, id=key["id"])
                if number % 10 == 0:
                    ask(store, "revokeApiKey", id=key["id"])

    def faults(self, *, is_complete: bool = True) -> list[tuple[str, str, str]]:
        found = self.store.check_state(NOW)
        assert found.chain.fault is None
        assert found.is_complete is is_complete
        assert found.fault_count == len(found.faults)
        return [(each.kind, each.id, each.field) for each in found.faults]

    def finish(self, rows: int) -> None:
        """Complete all deletions; after each batch the state is as the log says."""
        while result_of(self.store.continue_deletion(self.events, rows, UNLIMITED)):
            assert self.faults() == []


@pytest.fixture
def world(store: Store) -> World:
    made = World(store)
    assert made.faults() == []
    return made


@pytest.mark.parametrize("what", ["environment", "organization", "both"])
def test_the_state_is_as_logged_during_and_after_a_deletion(world: World, what: str) -> None:
    if what != "organization":
        ask(world.store, "deleteEnvironment", id=world.big)
        assert result_of(world.store.has_pending_deletions())
        assert world.faults() == []
    if what != "environment":
        ask(world.store, "deleteOrganization", id=world.org_id)
        assert result_of(world.store.has_pending_deletions())
        assert world.faults() == []
    world.finish(15)
    assert not result_of(world.store.has_pending_deletions())
    assert world.faults() == []


def prune(world: World) -> None:
    context = operator_context(world.store)
    pruned = world.store.prune_audit_log(
        NOW, None, lambda details: audit.log_pruned(context, details)
    )
    assert pruned is not None


def test_a_prune_keeps_a_deletion_that_is_pending(world: World) -> None:
    ask(world.store, "deleteEnvironment", id=world.big)
    prune(world)
    assert world.faults() == []
    world.finish(15)
    assert world.faults() == []


def test_a_checkpoint_of_a_version_without_pending_deletions_has_none(
    engine: Engine, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.delitem(state_rows.TABLES, "pending_deletion")
        prune(world)
    assert world.faults() == []
    engine.run(
        "insert into audit_checkpoint select distinct checkpoint, 'pending_deletion', 'env', 'org',"
        " 2, 1, 1, '{}' from audit_checkpoint"
    )
    assert [(kind, field) for kind, _, field in world.faults(is_complete=False)] == [
        ("audit_checkpoint", "pending_deletion")
    ]


def test_a_mark_that_is_gone_added_or_changed_is_found(engine: Engine, world: World) -> None:
    # It would revoke the keys of an environment that was not deleted.
    engine.run(ADD, world.env_id, "environment", world.org_id, NOW, "req_1")
    assert world.faults() == [("pending_deletion", world.env_id, "row")]
    engine.run("delete from pending_deletion")
    ask(world.store, "deleteEnvironment", id=world.big)
    ((at, request_id),) = engine.run("select deleted_at, request_id from pending_deletion")
    engine.run("update pending_deletion set deleted_at = ?, user_id = 'usr'", NOW)
    assert world.faults() == [
        ("pending_deletion", world.big, "deleted_at"),
        ("pending_deletion", world.big, "actor"),
    ]
    # Without the mark the remaining keys would be valid again.
    engine.run("delete from pending_deletion")
    assert world.faults() == [("pending_deletion", world.big, "row")]
    engine.run(ADD, world.big, "environment", world.org_id, at, request_id)
    assert world.faults() == []
    world.finish(1000)
    engine.run(ADD, world.big, "environment", world.org_id, at, request_id)
    assert world.faults() == [("pending_deletion", world.big, "row")]


def test_what_is_done_to_an_organization_while_it_is_deleted_is_found(
    engine: Engine, world: World
) -> None:
    ask(world.store, "deleteOrganization", id=world.org_id)
    engine.run("update environment set name = 'x' where id = ?", world.env_id)
    assert world.faults() == [("environment", world.env_id, "name")]
    engine.run("delete from environment where id = ?", world.env_id)
    # It would be deleted next.
    assert world.faults() == []
    world.finish(1000)
    organization: tuple[Any, ...] = (world.org_id, "Acme", "acme", NOW)
    engine.run(
        'insert into organization (id, name, slug, "createdAt") values (?, ?, ?, ?)', *organization
    )
    assert world.faults() == [("organization", world.org_id, "row")]
