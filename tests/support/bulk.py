"""Many keys with a history, made by the store's own changes: rows, events and chain as ever."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hookstream_keys.auth import key_rights
from hookstream_keys.cli.operations import operator_context
from hookstream_keys.domain import ids, keys, timestamps
from hookstream_keys.handlers import audit
from hookstream_keys.store import ApiKey, Rotation, Store, open_store
from support import url_of
from support.results import in_groups, result_of

#: So many keys are made in one transaction.
_TOGETHER = 500


def add_keys(path: Path, org_id: str, env_id: str, count: int) -> int:
    """Add keys to an environment: all are changed twice, most are rotated, every fourth is revoked.

    Returns how many events the log has for it.
    """
    store, events = open_store(url_of(path)), 0
    for number in in_groups(store, count, _TOGETHER):
        events += _add(store, org_id, env_id, number)
    store.close()
    return events


def _add(store: Store, org_id: str, env_id: str, number: int) -> int:
    context, new = operator_context(store), keys.generate("live")
    now = timestamps.to_text(context.now)
    key = ApiKey(ids.new("ak"), org_id, env_id, f"key {number}", new.prefix, "*", None, now)
    result_of(store.add_key(key, new.digest, audit.key_created(context, key, new.digest)))
    for changes in ({"scopes": "events:read"}, {"name": "renamed", "allowed_ips": ("10.0.0.0/8",)}):
        result_of(
            store.update_key(key.org_id, key.id, changes, audit.key_updated(context, key, changes))
        )
        key = replace(key, **changes)
    events = 3
    if number % 4 < 3:
        another = keys.generate("live")
        rotation = Rotation(
            id=ids.new("rot"),
            key_id=key.id,
            prefix=another.prefix,
            state="pending",
            grace_period_seconds=3600,
            sets_expiry=False,
            expires_at=None,
            created_at=now,
            created_by=None,
        )
        event = audit.key_rotated(context, key, rotation, another.digest)
        result_of(store.add_rotation(rotation, another.digest, event))
        ends_at = timestamps.to_text(context.now + timedelta(hours=1))
        after = key_rights.at_activation(key, rotation)
        event = audit.rotation_activated(context, key, rotation, after, ends_at)
        result_of(store.activate_rotation(rotation.id, now, ends_at, event))
        key = after
        events += 2
    if number % 4 == 0:
        result_of(
            store.revoke_key(
                key.org_id, key.id, now, "superseded", audit.key_revoked(context, key, "superseded")
            )
        )
        events += 1
    return events
