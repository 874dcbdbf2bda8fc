"""One clock decides everything that depends on time."""

import email.utils
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support import assert_error
from support.sandboxes import START, Sandbox, sandbox

BEGIN = datetime.fromisoformat(START)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the module's sandbox has its files."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture(scope="module")
def running_sandbox(directory: Path) -> Iterator[Sandbox]:
    with sandbox("--directory", str(directory)) as running:
        yield running


@pytest.fixture
def database(directory: Path) -> Path:
    """The file of the sandbox's database."""
    (found,) = directory.glob("*/own/sandbox.db")
    return found


def after(seconds: float) -> str:
    """The text of the time so many seconds after the start."""
    moment = BEGIN + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_it_is_frozen_at_the_start_time(world: Sandbox) -> None:
    assert world.do("GET", "/clock") == {"now": START, "mode": "frozen"}
    time.sleep(0.02)
    assert world.do("GET", "/clock")["now"] == START
    assert world.create()["created_at"] == START


def test_answers_have_its_date(world: Sandbox) -> None:
    world.advance(3600)
    for answer in (world.call("GET", "/health"), world.call("GET", "/missing")):
        assert email.utils.parsedate_to_datetime(answer.headers["date"]) == BEGIN + timedelta(
            hours=1
        )


def test_it_decides_when_keys_expire(world: Sandbox) -> None:
    key = world.create(expires_at=after(100))["key"]
    world.advance(99.999)
    assert world.code(key) == "VALID"
    world.advance(0.001)
    assert world.code(key) == "EXPIRED"
    # Set back, it is valid again: nothing was stored of the expiry.
    world.set_clock(after(99))
    assert world.code(key) == "VALID"


def test_it_decides_when_a_grace_period_is_over(world: Sandbox) -> None:
    made = world.create()
    rotated = world.call(
        "POST", f"/auth/api-keys/{made['id']}/rotations", {"grace_period_seconds": 60}
    ).json()
    assert world.code(made["key"]) == "VALID"
    # It begins with the first use of the new secret.
    world.advance(1000)
    assert world.code(rotated["key"]) == "VALID"
    world.advance(59)
    assert world.code(made["key"]) == "VALID"
    world.advance(1)
    assert world.code(made["key"]) == "EXPIRED"
    assert world.code(rotated["key"]) == "VALID"


def test_it_decides_when_a_keys_limit_is_free_again(world: Sandbox) -> None:
    key = world.create(rate_limit={"requests": 3, "window_seconds": 300})["key"]
    assert [world.code(key) for _ in range(4)] == ["VALID"] * 3 + ["RATE_LIMITED"]
    world.advance(100)
    assert [world.code(key) for _ in range(2)] == ["VALID", "RATE_LIMITED"]
    # Set back to a time before those uses, no bucket is fuller than it can be.
    world.set_clock(START)
    limit = world.verify(key)["rate_limit"]
    assert limit["retry_after_seconds"] <= 300
    world.advance(1000)
    assert [world.code(key) for _ in range(4)] == ["VALID"] * 3 + ["RATE_LIMITED"]


def test_it_decides_when_an_organizations_limit_is_free_again() -> None:
    with sandbox(HOOKSTREAM_RATE_LIMIT="2") as world:
        statuses = [world.call("GET", "/auth/api-keys").status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        refused = world.call("GET", "/auth/api-keys")
        world.advance(int(refused.headers["Retry-After"]))
        assert world.call("GET", "/auth/api-keys").status_code == 200


def test_it_decides_when_sessions_expire_and_are_renewed(world: Sandbox) -> None:
    token = world.state("a live session")["session_token"]
    headers = {"Authorization": f"Bearer {token}"}

    def status() -> int:
        return world.call("GET", "/auth/whoami", headers=headers).status_code

    day = 86_400
    world.advance(6 * day)
    # A use renews it for another seven days.
    assert status() == 200
    world.advance(7 * day - 1)
    assert status() == 200
    world.advance(7 * day)
    assert status() == 401


def test_it_decides_how_long_a_request_is_idempotent(world: Sandbox) -> None:
    def create() -> tuple[str, bool]:
        headers = {**world.key, "Idempotency-Key": "attempt-00000001"}
        answer = world.call("POST", "/auth/api-keys", world.body(), headers)
        return answer.json()["id"], "Idempotency-Replayed" in answer.headers

    first, replayed = create()
    assert not replayed
    world.advance(86_400 - 1)
    assert create() == (first, True)
    world.advance(1)
    second, replayed = create()
    assert not replayed
    assert second != first


def test_it_is_the_time_of_the_audit_log_and_of_usage(world: Sandbox) -> None:
    world.advance(60)
    made = world.create()
    world.advance(60)
    world.code(made["key"])
    world.advance(60)
    entries = world.call("GET", f"/audit-log?resource_id={made['id']}", headers=world.owner).json()
    assert [(entry["action"], entry["created_at"]) for entry in entries["audit_log"]] == [
        ("api_key.created", "2026-01-01T00:01:00.000Z")
    ]
    key = world.call("GET", f"/auth/api-keys/{made['id']}").json()["api_key"]
    assert (key["request_count"], key["last_used_at"]) == (1, "2026-01-01T00:02:00.000Z")


def test_it_decides_when_records_are_pruned(world: Sandbox, database: Path) -> None:
    def sessions() -> int:
        with closing(sqlite3.connect(database)) as connection:
            return int(connection.execute("select count(*) from session").fetchone()[0])

    def a_while(seconds: float) -> int:
        world.advance(seconds)
        # What is over is pruned before the next request.
        world.call("GET", "/auth/whoami")
        return sessions()

    begun = sessions()
    assert begun > 1
    assert a_while(3600) == begun
    assert a_while(365 * 86_400) == 0
    world.reset()
    assert sessions() == begun


def test_it_runs_at_the_speed_of_real_time_and_stops(world: Sandbox) -> None:
    begun = time.monotonic()
    assert world.do("POST", "/clock", {"mode": "run"})["mode"] == "running"
    time.sleep(0.1)
    stopped = world.do("POST", "/clock", {"mode": "freeze"})
    took = time.monotonic() - begun
    passed = datetime.fromisoformat(stopped["now"]) - BEGIN
    assert timedelta(seconds=0.1) <= passed <= timedelta(seconds=took + 0.001)
    assert stopped["mode"] == "frozen"
    assert world.do("GET", "/clock") == stopped


def test_it_can_be_moved_while_it_runs(world: Sandbox) -> None:
    world.do("POST", "/clock", {"mode": "run"})
    world.set_clock("2030-01-01T00:00:00Z")
    moved = world.do("GET", "/clock")
    assert moved["mode"] == "running"
    assert moved["now"].startswith("2030-01-01T00:00:")
    world.reset()
    assert world.do("GET", "/clock") == {"now": START, "mode": "frozen"}


@pytest.mark.parametrize(
    "moment",
    [
        "2001-01-01T00:00:00Z",
        "2024-02-29T23:59:59.123456Z",
        "2026-01-31T00:00:00Z",
        "2199-12-31T00:00:00Z",
    ],
)
def test_it_takes_every_time_of_its_years_and_all_states_exist_then(
    world: Sandbox, moment: str
) -> None:
    world.set_clock(moment)
    assert world.do("GET", "/clock")["now"][:19] == moment[:19]
    for state, code in (
        ("an active key", "VALID"),
        ("an expired key", "EXPIRED"),
        ("an ended rotation", "EXPIRED"),
        ("a key whose limit is used up", "RATE_LIMITED"),
    ):
        assert world.code(world.state(state)["key"]) == code
    expiring = world.state("an active key", expires_in_seconds=315_360_000)
    assert world.code(expiring["key"]) == "VALID"
    session = world.state("a live session")["session_token"]
    headers = {"Authorization": f"Bearer {session}"}
    assert world.call("GET", "/auth/whoami", headers=headers).status_code == 200


@pytest.mark.parametrize("moment", ["2001-01-01T00:00:00Z", "2199-12-31T00:00:00Z"])
def test_a_sandbox_begins_at_the_first_and_the_last_time(moment: str) -> None:
    with sandbox("--clock", moment) as world:
        assert world.facts["now"][:19] == moment[:19]
        for name, code in (("active", "VALID"), ("expired", "EXPIRED"), ("revoked", "REVOKED")):
            assert world.code(world.facts["keys"][name]["key"]) == code


def test_it_stops_at_the_end_of_its_years(world: Sandbox) -> None:
    world.set_clock("2199-12-31T00:00:00Z")
    assert world.advance(3_153_600_000) == "2199-12-31T23:59:59.000Z"
    assert world.code(world.create()["key"]) == "VALID"


@pytest.mark.parametrize(
    ("sent", "now"),
    [
        ("2026-01-01T01:00:00+01:00", START),
        ("2025-12-31t23:59:60.0000000z", START),
        ("2026-06-01T12:00:00.123456789Z", "2026-06-01T12:00:00.123Z"),
        ("2001-01-01T00:00:00+14:00", "2000-12-31T10:00:00.000Z"),
        ("2199-12-31T23:59:59-12:00", "2199-12-31T23:59:59.000Z"),
    ],
)
def test_it_is_set_in_every_form_of_rfc_3339(world: Sandbox, sent: str, now: str) -> None:
    assert world.do("POST", "/clock", {"set": sent})["now"] == now
    assert world.code(world.create()["key"]) == "VALID"


@pytest.mark.parametrize(
    "body",
    [
        {"set": "2026-02-29T00:00:00Z"},
        {"set": "2026-01-01T00:00:00"},
        {"set": "2026-01-01"},
        {"set": "2000-12-31T23:59:59Z"},
        {"set": "2200-01-01T00:00:00Z"},
        {"set": "tomorrow"},
        {"advance_seconds": -1},
        {"advance_seconds": "60"},
        {"advance_seconds": 3_153_600_001},
        {"mode": "rewind"},
        {"advance_seconds": 1, "set": START},
        {"advance": 1},
        {},
    ],
)
def test_what_is_no_move_is_refused_in_words(world: Sandbox, body: dict[str, object]) -> None:
    refused = world.control("POST", "/clock", body)
    assert refused.status_code == 400
    locations = [detail["location"] for detail in refused.json()["details"]]
    found = assert_error(refused, 400, "bad_request", *locations)
    assert all(location.startswith("body") for location in locations)
    assert "^" not in str(found)
    assert world.do("GET", "/clock")["now"] == START


def test_a_clock_that_is_moved_back_leaves_limits_as_they_were(world: Sandbox) -> None:
    key = world.create(rate_limit={"requests": 2, "window_seconds": 3600})["key"]
    world.advance(7200)
    assert world.code(key) == "VALID"
    world.set_clock(START)
    # One use is left, and the organization's limit is not used up either.
    assert [world.code(key), world.code(key)] == ["VALID", "RATE_LIMITED"]
    assert world.call("GET", "/auth/whoami").status_code == 200
    world.advance(3600)
    assert world.code(key) == "VALID"
