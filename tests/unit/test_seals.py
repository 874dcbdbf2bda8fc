"""Seals of the log on PostgreSQL: a chain that was removed with its head is found."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from support.results import result_of
from unit import samples
from unit.conftest import Postgresql

from hookstream_keys.domain.sources import Sources
from hookstream_keys.handlers import audit
from hookstream_keys.runtime.seals import LOOK_SECONDS, PERIOD, Sealing
from hookstream_keys.store import Store, Tenant


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sealing(store: Store, clock: Clock) -> Sealing:
    """The task, after its first call."""
    recorded = partial(audit.chains_sealed, store, Sources(now=clock.now))
    task = Sealing(store, recorded, clock.now)
    assert result_of(task.seal()) == LOOK_SECONDS
    return task


def seals(postgresql: Postgresql) -> list[int]:
    """How many chains each seal has."""
    rows = postgresql.run(
        "select (details::jsonb ->> 'chains')::int from audit_log"
        " where action = 'audit_log.sealed' order by seq"
    )
    return [row[0] for row in rows]


def test_chains_that_have_moved_are_sealed_once_a_day(
    store: Store, postgresql: Postgresql, tenant: Tenant, sealing: Sealing, clock: Clock
) -> None:
    assert seals(postgresql) == []
    result_of(sealing.seal())
    assert seals(postgresql) == [1]
    result_of(store.add_events([samples.event_of(tenant.key)]))
    clock.moment += PERIOD - timedelta(seconds=1)
    result_of(sealing.seal())
    assert seals(postgresql) == [1]
    clock.moment += timedelta(seconds=2)
    result_of(sealing.seal())
    assert seals(postgresql) == [1, 1]
    # Nothing has moved since.
    clock.moment += 2 * PERIOD
    result_of(sealing.seal())
    assert seals(postgresql) == [1, 1]
    assert store.check_audit_log().fault is None


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (
            [
                "delete from audit_log where org_id <> ''",
                "delete from audit_head where org_id <> ''",
            ],
            "and the chain does not",
        ),
        (["delete from audit_seal"], "not those that it was made of"),
        (["update audit_seal set seq = seq - 1"], "not those that it was made of"),
    ],
)
def test_what_was_sealed_and_is_gone_is_found(
    store: Store, postgresql: Postgresql, tenant: Tenant, sealing: Sealing,
    harm: list[str], says: str,
) -> None:  # fmt: skip
    del tenant
    result_of(sealing.seal())
    for statement in harm:
        postgresql.run(statement)
    fault = store.check_audit_log().fault
    assert fault is not None
    assert says in fault.message


def test_without_a_database_it_looks_again_later(
    postgresql: Postgresql, sealing: Sealing, caplog: pytest.LogCaptureFixture
) -> None:
    postgresql.run("alter table audit_seal rename to gone")
    postgresql.run("alter table audit_log rename to gone_too")
    assert result_of(sealing.seal()) == LOOK_SECONDS
    assert "the audit log was not sealed, and will be later" in caplog.text
