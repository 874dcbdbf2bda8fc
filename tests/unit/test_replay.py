"""Replaying events of this version and of earlier ones, and comparing what they say with rows."""

import json
from contextlib import closing
from typing import Any

import pytest

from hookstream_keys.store import ChainCheck, StateCheck, StateFault, chain, event_forms
from hookstream_keys.store.expected_state import ExpectedState, Kind
from hookstream_keys.store.replay import Replay
from hookstream_keys.store.state_check import Comparison, FoundRow

T = "2026-01-{:02}T00:00:00.000Z"

#: All fields of a key that is compared, as one was made without any option.
FIELDS: dict[str, Any] = {
    "name": "n",
    "scopes": "*",
    "role": None,
    "enabled": True,
    "expires_at": None,
    "allowed_ips": [],
    "rate_limit": None,
    "metadata": {},
    "external_id": None,
}
IDENTITY = {
    "org_id": "org",
    "env_id": "env",
    "key_prefix": "hs_live_0001",
    "created_by": None,
    "secret_fingerprint": "f1",
    "created_at": T.format(2),
    "revoked_at": None,
    "revocation_reason": None,
}
CREATED = {**FIELDS, **{name: IDENTITY[name] for name in
           ("env_id", "key_prefix", "created_by", "secret_fingerprint")}}  # fmt: skip
#: What versions before wrote of the same key.
OLD_CREATED = {"env_id": "env", "name": "n", "key_prefix": "hs_live_0001", "scopes": "*"}


class Log:
    """Events as the log has them, each a day after the one before."""

    def __init__(self) -> None:
        self.rows: list[chain.Row] = []

    def add(self, action: str, of: str, request: str = "req", **details: Any) -> "Log":
        seq = len(self.rows) + 1
        values = {
            "seq": seq,
            "id": f"al_{seq}",
            "org_id": "org",
            "env_id": None,
            "user_id": None,
            "api_key_id": None,
            "action": action,
            "resource_type": action.partition(".")[0],
            "resource_id": of,
            "details": json.dumps(details),
            "ip_address": None,
            "request_id": request,
            "created_at": T.format(seq),
        }
        self.rows.append((*(values[name] for name in chain.COLUMNS), ""))
        return self

    def check(
        self,
        *found: tuple[Kind, FoundRow],
        now: str = T.format(28),
        pruned_until: str | None = None,
    ) -> StateCheck:
        """Compare with these rows; what is found of other kinds is nothing."""
        result, faults = StateCheck(ChainCheck(len(self.rows), "", None)), list[StateFault]()
        with closing(ExpectedState()) as state:
            replay = Replay(state)
            for row in self.rows:
                replay.apply(event_forms.read(row))
            comparison = Comparison(
                state,
                now,
                pruned_until,
                lambda user_id: user_id != "gone",
                result,
                lambda difference: faults.append(difference.fault),
            )
            for kind in ("organization", "environment", "api_key", "rotation", "member"):
                comparison.compare(kind, [row for each, row in found if each == kind])
        result.faults = faults
        return result

    def faults(self, *found: tuple[Kind, FoundRow], **options: Any) -> list[tuple[Any, ...]]:
        checked = self.check(*found, **options)
        return [(each.field, each.found, each.expected, each.seq) for each in checked.faults]


def log() -> Log:
    """An organization, made on the first."""
    return Log().add("organization.created", "org", name="o", slug="o", owner=OWNER)


OWNER = {"member_id": "mem", "user_id": "usr", "role": "owner"}
ORG: tuple[Kind, FoundRow] = ("organization", FoundRow("org", "org", None, {}))


def member(row_id: str = "mem", user: str = "usr", role: str = "owner", day: int = 1) -> Any:
    fields = {"org_id": "org", "user_id": user, "role": role}
    return "member", FoundRow(row_id, "org", T.format(day), fields)


HOME = (ORG, member())


def key(row_id: str = "ak", **changes: Any) -> tuple[Kind, FoundRow]:
    fields: dict[str, Any] = {**FIELDS, **IDENTITY, **changes}
    return "api_key", FoundRow(row_id, "org", fields["created_at"], fields)


def rotation(**changes: Any) -> tuple[Kind, FoundRow]:
    fields: dict[str, Any] = {
        "key_id": "ak",
        "key_prefix": "hs_live_0002",
        "secret_fingerprint": "f2",
        "state": "pending",
        "grace_period_seconds": 60,
        "sets_expiry": False,
        "expires_at": None,
        "created_at": T.format(3),
        "created_by": None,
        "activated_at": None,
    } | changes
    return "rotation", FoundRow("rot", "org", fields["created_at"], fields)


def test_a_created_key_matches_the_log() -> None:
    checked = log().add("api_key.created", "ak", **CREATED).check(*HOME, key())
    assert (checked.faults, checked.unchecked) == ([], {})
    assert checked.checked == {"organization": 1, "api_key": 1, "member": 1}


def test_of_a_key_that_an_earlier_version_made_what_it_recorded_is_checked() -> None:
    made = log().add("api_key.created", "ak", **OLD_CREATED)
    checked = made.check(*HOME, key(role="owner", enabled=False))
    assert checked.faults == []
    # All but org, env, name, prefix, scopes, and that it was made then and is not revoked.
    assert checked.unchecked == {"fields that no known event tells": 9}
    assert made.faults(*HOME, key(scopes="a:read", revoked_at=T.format(9))) == [
        ("scopes", "a:read", "*", 2),
        ("revoked_at", T.format(9), None, 2),
    ]
    # What a later event tells is known from then on.
    made.add(
        "api_key.updated", "ak", env_id="env", changes={"enabled": {"old": True, "new": False}}
    )
    assert made.faults(*HOME, key()) == [("enabled", True, False, 3)]


@pytest.mark.parametrize(
    ("field", "old", "new"),
    [
        ("scopes", "a:read", "a:read"),
        ("allowed_ips", ["10.0.0.0/8"], ["10.0.0.0/8"]),
        ("enabled", 0, False),
        ("rate_limit", [10, 60], {"requests": 10, "window_seconds": 60}),
        ("rate_limit", {"requests": 10, "seconds": 60}, {"requests": 10, "window_seconds": 60}),
        ("rate_limit", None, None),
        ("metadata", {"old": "a", "new": "b"}, {"old": "a", "new": "b"}),
        ("metadata", {}, {}),
        ("expires_at", None, None),
    ],
)
def test_a_change_is_read_in_the_form_of_an_earlier_version(field: str, old: Any, new: Any) -> None:
    changed = log().add("api_key.created", "ak", **CREATED)
    changed.add("api_key.updated", "ak", env_id="env", changes={field: old})
    assert changed.faults(*HOME, key(**{field: new})) == []
    assert changed.faults(*HOME, key(**{field: "x"})) == [(field, "x", new, 3)]


@pytest.mark.parametrize("value", [{"old": {"a": "b"}, "new": {"c": "d"}}, {"old": {}, "new": {}}])
def test_metadata_is_read_in_the_form_of_this_version(value: Any) -> None:
    changed = log().add("api_key.created", "ak", **CREATED)
    changed.add("api_key.updated", "ak", env_id="env", changes={"metadata": value})
    assert changed.faults(*HOME, key(metadata=value["new"])) == []


def test_a_revocation_is_of_the_moment_of_its_event() -> None:
    revoked = log().add("api_key.created", "ak", **CREATED)
    revoked.add("api_key.revoked", "ak", env_id="env", reason="superseded")
    ended = {"revoked_at": T.format(3), "revocation_reason": "superseded"}
    assert revoked.faults(*HOME, key(**ended)) == []
    assert revoked.faults(*HOME, key()) == [
        ("revoked_at", None, T.format(3), 3),
        ("revocation_reason", None, "superseded", 3),
    ]
    # Rows of what has ended are pruned.
    assert revoked.faults(*HOME) == []


def rotated(**details: Any) -> Log:
    made = log().add("api_key.created", "ak", **CREATED)
    told: dict[str, Any] = {
        "secret_fingerprint": "f2",
        "sets_expiry": False,
        "expires_at": None,
        "changes": {},
    }
    return made.add(
        "api_key.rotated", "ak", env_id="env", rotation_id="rot", key_prefix="hs_live_0002",
        grace_period_seconds=60, **(told | details),
    )  # fmt: skip


def test_a_secret_that_is_used_changes_places_with_the_key_s_own() -> None:
    made = rotated()
    assert made.faults(*HOME, key(), rotation()) == []
    made.add(
        "api_key.rotation_activated", "ak", env_id="env", rotation_id="rot",
        key_prefix="hs_live_0002", grace_ends_at=T.format(5),
        changes={"key_prefix": {"old": "hs_live_0001", "new": "hs_live_0002"}},
    )  # fmt: skip
    new = key(key_prefix="hs_live_0002", secret_fingerprint="f2")
    grace = {"state": "grace", "key_prefix": "hs_live_0001", "secret_fingerprint": "f1",
             "expires_at": T.format(5), "activated_at": T.format(4)}  # fmt: skip
    assert made.faults(*HOME, new, rotation(**grace)) == []
    assert made.faults(*HOME, key(), rotation(**grace))[0][0] == "key_prefix"
    # Until its grace has ended it must be there.
    assert made.faults(*HOME, new, now=T.format(4)) == [("row", "is missing", "is there", 3)]
    assert made.faults(*HOME, new, now=T.format(5)) == []


def test_another_rotation_cancels_the_pending_one_without_an_event_of_its_own() -> None:
    made = rotated().add(
        "api_key.rotated", "ak", env_id="env", rotation_id="rot_2", key_prefix="hs_live_0003",
        grace_period_seconds=60, secret_fingerprint="f3", sets_expiry=False, expires_at=None,
    )  # fmt: skip
    second = rotation(key_prefix="hs_live_0003", secret_fingerprint="f3", created_at=T.format(4))
    second = "rotation", second[1]._replace(id="rot_2")
    assert made.faults(*HOME, key(), rotation(state="cancelled"), second) == []
    assert made.faults(*HOME, key(), rotation(), second) == [("state", "pending", "cancelled", 4)]


def test_an_expiry_that_is_set_holds_for_a_secret_that_is_pending_too() -> None:
    made = rotated(sets_expiry=True, expires_at=T.format(20))
    pending = {"sets_expiry": True, "expires_at": T.format(20)}
    assert made.faults(*HOME, key(), rotation(**pending)) == []
    made.add("api_key.updated", "ak", env_id="env", changes={}, resets_pending_expiry=True)
    reset = rotation(**pending | {"sets_expiry": False})
    assert made.faults(*HOME, key(), reset) == []
    assert made.faults(*HOME, key(), rotation(**pending)) == [("sets_expiry", True, False, 4)]


def test_of_a_rotation_by_an_earlier_version_what_it_recorded_is_checked() -> None:
    made = log().add("api_key.created", "ak", **OLD_CREATED)
    names = {"env_id": "env", "rotation_id": "rot", "key_prefix": "hs_live_0002"}
    made.add("api_key.rotated", "ak", **names, grace_period_seconds=60)
    made.add("api_key.rotation_activated", "ak", **names)
    new = key(key_prefix="hs_live_0002", secret_fingerprint="any", expires_at=T.format(20))
    grace = {
        "state": "grace",
        "key_prefix": "hs_live_0001",
        "secret_fingerprint": "any",
        "sets_expiry": True,
        "expires_at": T.format(9),
        "activated_at": T.format(4),
    }
    assert made.faults(*HOME, new, rotation(**grace)) == []
    assert made.faults(*HOME, new, rotation(**grace | {"state": "pending"})) == [
        ("state", "pending", "grace", 4)
    ]


def test_members_in_the_form_of_an_earlier_version() -> None:
    old = Log().add("organization.created", "org", name="o", slug="o")
    old.add("member.added", "mem_2", user_id="usr_2", role="admin")
    old.add("member.updated", "mem_2", user_id="usr_2", role="member", was="admin")
    second = member("mem_2", "usr_2", "member", 2)
    # One member may be from the moment of the organization, and no other.
    checked = old.check(ORG, member(), second)
    assert checked.faults == []
    assert checked.unchecked == {"rows from before the first event that is known": 1}
    assert old.faults(ORG, second) == []
    assert old.faults(ORG, member(day=3), second) == [("row", "is there", "was never made", None)]
    assert len(old.faults(ORG, member(), second, member("mem_3"))) == 1
    assert old.faults(ORG, member(), member("mem_2", "usr_2", "admin", 2)) == [
        ("role", "admin", "member", 3)
    ]
    old.add("member.removed", "mem_2", user_id="usr_2", was="member")
    assert old.faults(ORG, member()) == []
    assert old.faults(ORG, member(), second) == [("row", "is there", "was removed", 4)]


def test_a_member_of_a_deleted_user_may_be_missing() -> None:
    made = log().add("member.added", "mem_2", user_id="gone", role="admin")
    made.add("member.added", "mem_3", user_id="usr_3", role="admin")
    assert made.faults(*HOME) == [("row", "is missing", "is there", 3)]


def test_rows_of_a_deleted_organization_stay_deleted_after_a_restore() -> None:
    made = rotated().add("organization.deleted", "org", name="o", slug="o")
    assert made.faults() == []
    assert [fault[:3] for fault in made.faults(key())] == [("row", "is there", "was removed")]
    # A restore brings the organization back, its owner and the key, revoked, and no rotation.
    made.add("organization.restored", "org", until="", compared=True, sealed=True, name="o")
    ended = {"revoked_at": T.format(9), "revocation_reason": "x"}
    made.add("api_key.restored", "ak", **CREATED, created_at=T.format(2), **ended)
    made.add("member.restored", "mem", user_id="usr", role="owner")
    assert made.faults(*HOME, key(**ended)) == []
    assert made.faults(*HOME, key()) == [
        ("revoked_at", None, T.format(9), 6),
        ("revocation_reason", None, "x", 6),
    ]
    assert len(made.faults(*HOME, key(**ended), rotation())) == 1


def test_a_restore_by_an_earlier_version_makes_its_organization_unknown() -> None:
    made = rotated()
    made.add("member.added", "mem_2", user_id="usr_2", role="admin")
    made.add("organization.restored", "org", "req_r", until="", compared=True)
    made.add("api_key.revoked", "ak_9", "req_r", env_id="env", key_prefix="x", reason="y")
    made.add("member.removed", "mem", "req_r", user_id="usr", was="owner")
    # Whatever is there may be from the backup, whatever is not may be gone with it.
    older = key("ak_0", created_at=T.format(4))
    checked = made.check(ORG, member(role="admin"), key(scopes="x"), older)
    assert checked.faults == []
    assert checked.unchecked["rows from before the first event that is known"] == 1
    # What came later is known, and what no event made later is found.
    made.add("api_key.updated", "ak", changes={"name": {"old": "n", "new": "m"}})
    later = key("ak_1", created_at=T.format(9))
    assert made.faults(ORG, key(scopes="x"), later) == [
        ("name", "n", "m", 8),
        ("row", "is there", "was never made", None),
    ]


def test_a_restore_by_an_earlier_version_into_nothing_changed_nothing() -> None:
    made = log().add("api_key.created", "ak", **CREATED)
    made.add("organization.restored", "org", until="", compared=False)
    assert made.faults(*HOME, key(scopes="a")) == [("scopes", "a", "*", 2)]


def test_rows_from_before_a_prune_are_counted_and_later_ones_are_found() -> None:
    pruned = Log().add("api_key.updated", "ak", changes={"name": {"old": "n", "new": "m"}})
    options = {"pruned_until": T.format(5)}
    old, new = key("ak_0", created_at=T.format(5)), key("ak_1", created_at=T.format(6))
    checked = pruned.check(key(name="m"), old, **options)
    assert checked.faults == []
    assert checked.unchecked["rows from before the first event that is known"] == 1
    assert pruned.faults(key(), new, **options) == [
        ("name", "n", "m", 1),
        ("row", "is there", "was never made", None),
    ]


@pytest.mark.parametrize(
    "details",
    [
        "null", "[]", "7", '"x"', "{", '{"changes": 7}', '{"changes": {"enabled": {"old": 1}}}',
        '{"rotation_id": 7}', '{"owner": {"member_id": 7}}', '{"seq": 1, "self": 2, "values": 3}',
        '{"rotation_id": "rot", "grace_ends_at": {}}', '{"pending": {"a": 1}, "gone": "x"}',
    ],
)  # fmt: skip
def test_arbitrary_details_do_not_break_the_check(details: str) -> None:
    forged = log().add("api_key.created", "ak", **CREATED)
    place = chain.COLUMNS.index("details")
    for action in (
        "organization.created", "organization.restored", "member.added", "member.updated",
        "environment.created", "environment.updated", "environment.restored", "api_key.created",
        "api_key.updated", "api_key.revoked", "api_key.rotated", "api_key.rotation_activated",
        "api_key.rotation_cancelled", "api_key.rotation_restored", "api_key.restored",
    ):  # fmt: skip
        forged.add(action, "ak")
        row = list(forged.rows[-1])
        row[place] = details
        forged.rows[-1] = tuple(row)
    forged.check(*HOME, key(), rotation())
