"""Refused attempts on record: when events are written, what they say, and how many there can be."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from support.results import result_of
from unit.conftest import Engine
from unit.test_store_conformance import at_once

from hookstream_keys.domain.sources import SYSTEM
from hookstream_keys.handlers import audit
from hookstream_keys.runtime.refusals import (
    MAX_ADDRESSES,
    MAX_KEYS_OF_ORGANIZATION,
    MAX_SUBJECTS,
    WINDOW_SECONDS,
    Refusals,
    Refused,
)
from hookstream_keys.store import AuditEvent, AuditFilter, Store, Tenant

EARLIER, NOON, LATER = (f"2026-11-24T{hour}:00:00.000Z" for hour in (11, 12, 13))
REQUEST = f"req_{'0' * 32}"


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def attempt(subject: str, **changes: Any) -> Refused:
    values: dict[str, Any] = {
        "kind": "sign_in",
        "reason": "INVALID_PASSWORD",
        "address": "203.0.113.7",
        "request_id": REQUEST,
        "first_at": NOON,
        "last_at": NOON,
    }
    return Refused(subject=subject, **values | changes)


@dataclass
class Recording:
    """The written events, without a database."""

    clock: Clock = field(default_factory=Clock)
    written: list[Refused] = field(default_factory=list)

    def __post_init__(self) -> None:
        recording: Any = self
        self.refusals = Refusals(recording, recording.record, self.clock)

    async def record(self, attempts: Refused) -> Any:
        return attempts

    async def add_events(self, events: list[Refused]) -> None:
        self.written += events

    def note(self, *attempts: Refused) -> None:
        for each in attempts:
            self.refusals.note(each)

    def after(self, seconds: float = 0) -> list[Refused]:
        """What the next flush writes, so many seconds later."""
        self.clock.now += seconds
        self.written.clear()
        while result_of(self.refusals.flush()):
            pass
        return list(self.written)


@pytest.fixture
def recording() -> Recording:
    return Recording()


def test_the_first_of_a_kind_is_written_at_once_and_others_when_the_hour_is_over(
    recording: Recording,
) -> None:
    recording.note(attempt("usr_1"))
    assert recording.after(5) == [attempt("usr_1")]
    later = attempt("usr_1", first_at=LATER, last_at=LATER, request_id=f"req_{'1' * 32}")
    recording.note(*[later] * 7)
    assert recording.after(5) == []
    assert recording.after(WINDOW_SECONDS - 11) == []
    assert recording.after(5) == [later._replace(times=7)]
    # Then it begins anew.
    recording.note(attempt("usr_1"))
    assert recording.after(5) == [attempt("usr_1")]


def test_writes_queued_before_the_first_commit_join_it(recording: Recording) -> None:
    recording.note(
        attempt("usr_1", first_at=EARLIER, last_at=EARLIER),
        attempt("usr_1"),
        attempt("usr_1", first_at=EARLIER, last_at=EARLIER),
    )
    expected = attempt("usr_1", first_at=EARLIER, last_at=NOON, times=3)
    assert recording.after() == [expected]


def test_nothing_is_written_of_an_hour_without_more(recording: Recording) -> None:
    recording.note(attempt("usr_1"))
    recording.after()
    assert recording.after(WINDOW_SECONDS) == []


def test_reasons_addresses_users_and_keys_are_told_apart(recording: Recording) -> None:
    several = [
        attempt("usr_1"),
        attempt("usr_1", reason="BANNED_USER"),
        attempt("usr_1", address="203.0.113.8"),
        attempt("usr_2"),
        attempt("usr_1", kind="api_key"),
        attempt("usr_1", address=None),
    ]
    recording.note(*several)
    assert Counter(recording.after()) == Counter(several)


def test_refusals_of_one_moment_are_written_in_their_order(recording: Recording) -> None:
    # So many that a set would hardly keep their order.
    several = [
        attempt(f"usr_{number}", reason=reason)
        for number in range(20)
        for reason in ("INVALID_PASSWORD", "BANNED_USER", "EMAIL_NOT_VERIFIED")
    ]
    recording.note(*several)
    assert recording.after() == several


def test_a_new_address_within_the_hour_is_written_at_once(recording: Recording) -> None:
    recording.note(attempt("usr_1"))
    recording.after()
    recording.note(attempt("usr_1", address="203.0.113.8"))
    assert recording.after(60) == [attempt("usr_1", address="203.0.113.8")]


def test_stopping_writes_what_is_left(recording: Recording) -> None:
    recording.note(attempt("usr_1"))
    recording.after()
    recording.note(attempt("usr_1"), attempt("usr_2"), attempt("usr_2"))
    recording.written.clear()
    result_of(recording.refusals.close())
    assert Counter(recording.written) == Counter([attempt("usr_1"), attempt("usr_2", times=2)])
    result_of(recording.refusals.close())
    assert len(recording.written) == 2


def test_of_many_addresses_the_rest_are_counted_together(recording: Recording) -> None:
    many = [attempt("usr_1", address=f"10.0.{n // 256}.{n % 256}") for n in range(500)]
    recording.note(*many)
    written = recording.after()
    assert len(written) == MAX_ADDRESSES + 1
    assert [each.times for each in written if each.address is None] == [500 - MAX_ADDRESSES]
    recording.note(*many)
    # One more event for each when the hour is over, whatever comes.
    assert recording.after(5) == []
    assert len(recording.after(WINDOW_SECONDS)) == MAX_ADDRESSES + 1


def test_of_many_users_the_rest_are_counted_in_the_log(
    recording: Recording, caplog: pytest.LogCaptureFixture
) -> None:
    recording.note(*[attempt(f"usr_{n}") for n in range(MAX_SUBJECTS + 30)])
    assert len(recording.after()) == MAX_SUBJECTS
    assert "30 refused attempts at further users and keys" in caplog.text
    assert "203.0.113.7" not in caplog.text
    # There is room again when the hour is over.
    recording.after(WINDOW_SECONDS)
    recording.note(attempt("usr_new"))
    assert recording.after() == [attempt("usr_new")]


def test_no_organization_takes_the_slots_of_others(
    recording: Recording, caplog: pytest.LogCaptureFixture
) -> None:
    keys = {"kind": "api_key", "reason": "REVOKED"}
    theirs = [
        attempt(f"ak_{n}", **keys, org_id="org_1") for n in range(MAX_KEYS_OF_ORGANIZATION + 5)
    ]
    another, user = attempt("ak_other", **keys, org_id="org_2"), attempt("usr_1")
    recording.note(*theirs, another, user)
    expected = [*theirs[:MAX_KEYS_OF_ORGANIZATION], another, user]
    assert sorted(recording.after()) == sorted(expected)
    assert "5 refused attempts" in caplog.text
    recording.after(WINDOW_SECONDS)
    recording.note(theirs[-1])
    assert recording.after() == [theirs[-1]]


def test_many_threads_count_exactly(recording: Recording) -> None:
    def note() -> None:
        for number in range(300):
            recording.note(attempt(f"usr_{number % 7}", address=f"10.0.0.{number % 3}"))
            if number % 50 == 0:
                result_of(recording.refusals.flush())

    at_once(*[note] * 6)
    result_of(recording.refusals.close())
    assert sum(each.times for each in recording.written) == 1800


# In the audit log


@pytest.fixture
def refusals(store: Store) -> Refusals:
    return Refusals(store, partial(audit.refused, store, SYSTEM))


def events(store: Store, org_id: str, action: str) -> list[AuditEvent]:
    return result_of(
        store.list_events(AuditFilter(org_id, action=action), before=None, limit=50)
    ).items


def test_a_refused_sign_in_is_an_event_without_an_actor(
    store: Store, tenant: Tenant, refusals: Refusals
) -> None:
    refusals.note(attempt(tenant.user.id, first_at=EARLIER, last_at=NOON, times=3))
    result_of(refusals.flush())
    (event,) = events(store, tenant.tenancy.organization.id, "session.refused")
    assert (event.user_id, event.api_key_id) == (None, None)
    assert (event.resource_type, event.resource_id) == ("session", tenant.user.id)
    assert (event.ip_address, event.request_id) == ("203.0.113.7", REQUEST)
    assert event.details == {
        "reason": "INVALID_PASSWORD",
        "count": 3,
        "first_at": EARLIER,
        "last_at": NOON,
    }


def test_a_refused_key_is_an_event_of_its_environment(
    store: Store, tenant: Tenant, refusals: Refusals
) -> None:
    refusals.note(attempt(tenant.key.id, kind="api_key", reason="REVOKED", address=None))
    result_of(refusals.flush())
    (event,) = events(store, tenant.tenancy.organization.id, "api_key.refused")
    assert (event.user_id, event.api_key_id, event.ip_address) == (None, None, None)
    assert (event.resource_id, event.env_id) == (tenant.key.id, tenant.key.env_id)
    assert event.details["key_prefix"] == tenant.key.prefix
    assert event.details["reason"] == "REVOKED"


def test_refusals_of_a_user_without_an_organization_are_recorded(
    engine: Engine, store: Store, tenant: Tenant, refusals: Refusals
) -> None:
    engine.run('delete from "member"')
    refusals.note(attempt(tenant.user.id))
    result_of(refusals.flush())
    assert len(events(store, tenant.user.id, "session.refused")) == 1


def test_a_deleted_user_is_not_recorded(store: Store, tenant: Tenant, refusals: Refusals) -> None:
    before = store.check_audit_log().rows
    refusals.note(attempt("usr_gone"))
    refusals.note(attempt("ak_gone", kind="api_key"))
    result_of(refusals.flush())
    assert store.check_audit_log().rows == before


def test_failed_writes_are_retried(
    engine: Engine, store: Store, tenant: Tenant, refusals: Refusals
) -> None:
    org_id = tenant.tenancy.organization.id
    refusals.note(attempt(tenant.user.id))
    engine.run("alter table audit_log rename to elsewhere")
    assert not result_of(refusals.flush())
    for _ in range(2):
        refusals.note(attempt(tenant.user.id, first_at=LATER, last_at=LATER))
    assert not result_of(refusals.flush())
    engine.run("alter table elsewhere rename to audit_log")
    result_of(refusals.flush())
    (event,) = events(store, org_id, "session.refused")
    assert (event.details["count"], event.details["last_at"]) == (1, NOON)
    result_of(refusals.close())
    latest, _ = events(store, org_id, "session.refused")
    assert (latest.details["count"], latest.details["last_at"]) == (2, LATER)
    assert store.check_audit_log().fault is None


def test_a_flush_writes_a_bounded_number_of_events(recording: Recording) -> None:
    recording.note(*[attempt(f"usr_{n}") for n in range(250)])
    found = []
    for _ in range(3):
        more = result_of(recording.refusals.flush())
        found.append((len(recording.written), more))
    assert found == [(100, True), (200, True), (250, False)]
