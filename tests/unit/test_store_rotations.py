"""Rotations: what every engine must do. Which secret is valid for what is verification's to say."""

import dataclasses
import itertools
from contextlib import closing
from typing import Any

import pytest
from support.results import result_of
from unit import samples
from unit.conftest import Engine, Sqlite
from unit.test_store_conformance import at_once

from hookstream_keys.domain import ids, keys
from hookstream_keys.domain.keys import NewKey
from hookstream_keys.store import ApiKey, AuditEvent, Rotation, SqliteStore, Store, Tenant

LATER = "2026-11-24T13:00:00.000Z"
LATEST = "2026-11-24T14:00:00.000Z"


def rotation_of(key: ApiKey, new: NewKey, **changes: Any) -> Rotation:
    values: dict[str, Any] = {
        "id": ids.new("rot"),
        "key_id": key.id,
        "prefix": new.prefix,
        "state": "pending",
        "grace_period_seconds": 3600,
        "sets_expiry": False,
        "expires_at": None,
        "created_at": samples.NOON,
        "created_by": None,
    }
    return Rotation(**(values | changes))


def event(tenant: Tenant, action: str = "api_key.rotated") -> AuditEvent:
    return samples.event_of(tenant.key, action=action)


def rotate(store: Store, tenant: Tenant, **changes: Any) -> tuple[Rotation, bytes]:
    new = keys.generate("live")
    rotation = rotation_of(tenant.key, new, **changes)
    assert result_of(store.add_rotation(rotation, new.digest, event(tenant)))
    return rotation, new.digest


def count(engine: Engine) -> int:
    return int(engine.run("select count(*) from audit_log")[0][0])


def test_the_new_secret_finds_the_key_with_its_rotation(store: Store, tenant: Tenant) -> None:
    rotation, digest = rotate(store, tenant)
    assert result_of(store.find_key(digest)) == dataclasses.replace(tenant.key, rotation=rotation)
    assert result_of(store.find_key(tenant.key_digest)) == tenant.key
    assert result_of(store.find_key_by_id(tenant.key.id)) == tenant.key
    assert result_of(store.rotations_of([tenant.key.id, "ak_0"], samples.NOON)) == {
        tenant.key.id: [rotation],
        "ak_0": [],
    }
    assert result_of(store.find_rotation(tenant.key.id, rotation.id)) == rotation
    assert result_of(store.find_rotation("ak_0", rotation.id)) is None


def test_a_secret_is_found_in_the_middle_of_its_activation_by_another_process(
    sqlite: Sqlite,
) -> None:
    with closing(SqliteStore(sqlite.path)) as store, closing(SqliteStore(sqlite.path)) as other:
        store.migrate()
        tenant = samples.tenant()
        assert result_of(store.add_first_tenant(tenant))
        rotation, digest = rotate(store, tenant)
        asked = itertools.count(1)

        def activate(_: str) -> None:
            # After the first question, which the secret is not yet an answer to.
            if next(asked) == 2:
                activated = event(tenant, "api_key.rotation_activated")
                assert result_of(other.activate_rotation(rotation.id, LATER, LATEST, activated))

        store.connection().set_trace_callback(activate)
        found = result_of(store.find_key(digest))
        store.connection().set_trace_callback(None)
        assert next(asked) > 2
        assert found == dataclasses.replace(tenant.key, prefix=rotation.prefix)


def test_activation_lets_the_secrets_change_places(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    rotation, digest = rotate(store, tenant)
    activated = event(tenant, "api_key.rotation_activated")
    assert result_of(store.activate_rotation(rotation.id, LATER, LATEST, activated))
    own = dataclasses.replace(tenant.key, prefix=rotation.prefix)
    assert result_of(store.find_key(digest)) == own
    old = dataclasses.replace(
        rotation,
        prefix=tenant.key.prefix,
        state="grace",
        expires_at=LATEST,
        activated_at=LATER,
    )
    assert result_of(store.find_key(tenant.key_digest)) == dataclasses.replace(own, rotation=old)
    assert result_of(store.rotations_of([own.id], LATER)) == {own.id: [old]}
    assert result_of(store.rotations_of([own.id], LATEST)) == {own.id: []}
    assert engine.run("select action from audit_log order by seq desc limit 1") == [
        ("api_key.rotation_activated",)
    ]


@pytest.mark.parametrize(
    ("sets_expiry", "expires_at", "new_end"),
    [(False, None, LATER), (True, None, None), (True, LATEST, LATEST)],
)
def test_the_new_secret_has_its_own_expiry_or_the_key_s(
    *, engine: Engine, store: Store, tenant: Tenant, sets_expiry: bool, expires_at: str | None,
    new_end: str | None,
) -> None:  # fmt: skip
    engine.run("update api_key set expires_at = ?", LATER)
    rotation, digest = rotate(store, tenant, sets_expiry=sets_expiry, expires_at=expires_at)
    result_of(store.activate_rotation(rotation.id, samples.NOON, LATEST, event(tenant)))
    own, old = result_of(store.find_key(digest)), result_of(store.find_key(tenant.key_digest))
    assert own is not None
    assert own.expires_at == new_end
    assert old is not None
    assert old.rotation is not None
    # Its grace would end later than it would have ended itself.
    assert old.rotation.expires_at == LATER


def test_activation_happens_once(engine: Engine, store: Store, tenant: Tenant) -> None:
    rotation, digest = rotate(store, tenant)
    before = count(engine)
    done: list[bool] = []
    at_once(
        *[
            lambda: done.append(
                result_of(store.activate_rotation(rotation.id, LATER, LATEST, event(tenant)))
            )
        ]
        * 4
    )
    assert done == [True] * 4
    assert count(engine) == before + 1
    found = result_of(store.find_key(digest))
    assert found is not None
    assert found.rotation is None


def test_a_cancelled_rotation_is_never_activated(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    rotation, digest = rotate(store, tenant)
    assert not result_of(
        store.cancel_rotation(tenant.key.org_id, "ak_0", rotation.id, event(tenant))
    )
    assert result_of(
        store.cancel_rotation(tenant.key.org_id, tenant.key.id, rotation.id, event(tenant))
    )
    before = count(engine)
    assert not result_of(
        store.cancel_rotation(tenant.key.org_id, tenant.key.id, rotation.id, event(tenant))
    )
    assert not result_of(store.activate_rotation(rotation.id, LATER, LATEST, event(tenant)))
    assert not result_of(store.activate_rotation("rot_0", LATER, LATEST, event(tenant)))
    assert count(engine) == before
    found = result_of(store.find_key(digest))
    assert found is not None
    assert found.rotation == dataclasses.replace(rotation, state="cancelled")
    assert result_of(store.rotations_of([tenant.key.id], samples.NOON)) == {tenant.key.id: []}
    assert result_of(store.find_key(tenant.key_digest)) == tenant.key


def test_an_activated_rotation_is_never_cancelled(store: Store, tenant: Tenant) -> None:
    rotation, _ = rotate(store, tenant)
    result_of(store.activate_rotation(rotation.id, LATER, LATEST, event(tenant)))
    assert not result_of(
        store.cancel_rotation(tenant.key.org_id, tenant.key.id, rotation.id, event(tenant))
    )


def test_one_is_pending_at_most(engine: Engine, store: Store, tenant: Tenant) -> None:
    first, _ = rotate(store, tenant)
    second, digest = rotate(store, tenant, created_at=LATER)
    assert result_of(store.rotations_of([tenant.key.id], LATER)) == {tenant.key.id: [second]}
    result_of(store.activate_rotation(second.id, LATER, LATEST, event(tenant)))
    third, _ = rotate(store, tenant, created_at=LATEST)
    states = engine.run("select id, state from rotation order by created_at")
    assert states == [(first.id, "cancelled"), (second.id, "grace"), (third.id, "pending")]
    assert result_of(store.find_key(digest)) is not None


def test_a_revoked_key_is_not_rotated(engine: Engine, store: Store, tenant: Tenant) -> None:
    rotation, digest = rotate(store, tenant)
    result_of(
        store.revoke_key(tenant.key.org_id, tenant.key.id, LATER, "unspecified", event(tenant))
    )
    before = count(engine)
    new = keys.generate("live")
    late = rotation_of(tenant.key, new)
    assert not result_of(store.add_rotation(late, new.digest, event(tenant)))
    assert not result_of(store.activate_rotation(rotation.id, LATER, LATEST, event(tenant)))
    assert count(engine) == before
    found = result_of(store.find_key(digest))
    assert found is not None
    assert found.revoked_at == LATER
    assert found.rotation is not None
    assert found.rotation.state == "pending"


def test_a_new_expiry_of_the_key_applies_to_its_pending_secret(
    store: Store, tenant: Tenant
) -> None:
    rotation, digest = rotate(store, tenant, sets_expiry=True, expires_at=LATEST)
    result_of(store.update_key(tenant.key.org_id, tenant.key.id, {"name": "x"}, event(tenant)))
    kept = result_of(store.find_key(digest))
    assert kept is not None
    assert kept.rotation == rotation
    result_of(
        store.update_key(tenant.key.org_id, tenant.key.id, {"expires_at": LATER}, event(tenant))
    )
    changed = result_of(store.find_key(digest))
    assert changed is not None
    assert changed.rotation is not None
    assert changed.rotation.sets_expiry is False
    assert changed.expires_at == LATER


def test_rotations_go_with_their_key(engine: Engine, store: Store, tenant: Tenant) -> None:
    _, digest = rotate(store, tenant)
    engine.run("delete from api_key")
    assert result_of(store.find_key(digest)) is None
    assert engine.run("select count(*) from rotation") == [(0,)]
