"""A reset puts everything back, and nothing that was begun before it goes on."""

import socket
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from support import NO_TLS, assert_error
from support.sandboxes import START, Sandbox, World, sandbox


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the module's sandbox has its files."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture(scope="module")
def running_sandbox(directory: Path) -> Iterator[Sandbox]:
    # So few requests are allowed without a credential that a test can use them up.
    with sandbox("--directory", str(directory), HOOKSTREAM_RATE_LIMIT="50") as running:
        yield running


def dump(directory: Path) -> str:
    """All that is in the database."""
    (path,) = directory.glob("*/own/sandbox.db")
    with closing(sqlite3.connect(path)) as connection:
        return "\n".join(connection.iterdump())


def change_everything(world: World) -> None:
    """Do something of every kind."""
    for state in ("an environment", "an active key", "a pending rotation", "a live session"):
        world.state(state)
    made = world.create(rate_limit={"requests": 1, "window_seconds": 60})
    assert [world.code(made["key"]), world.code(made["key"])] == ["VALID", "RATE_LIMITED"]
    world.call("DELETE", f"/auth/api-keys/{world.facts['keys']['active']['id']}")
    world.call("PATCH", f"/organizations/{world.facts['org_id']}", {"name": "New"}, world.owner)
    # A pending secret, used for the first time.
    world.code(world.facts["keys"]["rotation_pending"]["new_key"])
    # Refused attempts are counted, and written to the audit log later.
    world.call("GET", "/auth/whoami", headers={"X-API-Key": "nonsense"})
    world.call("POST", "/auth/sign-in/email", {"email": world.facts["email"], "password": "wrong"})
    world.advance(7200)
    world.do("POST", "/clock", {"mode": "run"})
    world.fail("createApiKey", status=503, times=1000)


def test_the_database_is_as_it_was(world: Sandbox, directory: Path) -> None:
    before = dump(directory)
    change_everything(world)
    world.call("GET", "/health")
    assert dump(directory) != before
    world.reset()
    assert dump(directory) == before
    # What was counted before does not come later either.
    world.advance(3600)
    world.set_clock(START)
    world.call("GET", "/auth/whoami")
    usage = world.call("GET", f"/auth/api-keys/{world.facts['keys']['active']['id']}").json()
    assert usage["api_key"]["request_count"] == 0


def test_clock_faults_and_requests_are_as_they_were(world: Sandbox) -> None:
    change_everything(world)
    world.reset()
    assert world.do("GET", "/clock") == {"now": START, "mode": "frozen"}
    assert world.do("GET", "/faults") == {"faults": []}
    assert world.do("GET", "/requests") == {"requests": []}


def test_keys_and_sessions_are_as_they_were(world: Sandbox) -> None:
    change_everything(world)
    world.reset()
    keys = world.facts["keys"]
    assert world.code(keys["active"]["key"]) == "VALID"
    assert world.code(keys["rate_limited"]["key"]) == "RATE_LIMITED"
    # The pending secret was used: its rotation is pending again.
    path = f"/auth/api-keys/{keys['rotation_pending']['id']}"
    (rotation,) = world.call("GET", path).json()["api_key"]["rotations"]
    assert rotation["state"] == "pending"


def test_rate_limits_are_as_they_were(world: Sandbox) -> None:
    url = world.facts["base_url"] + "/auth/whoami"
    first = world.client.get(url).headers["RateLimit-Remaining"]
    assert {world.client.get(url).status_code for _ in range(60)} == {401, 429}
    world.state("the organization's limit is used up")
    assert_error(world.call("GET", "/auth/whoami"), 429, "rate_limited")
    world.reset()
    assert world.client.get(url).headers["RateLimit-Remaining"] == first
    assert world.call("GET", "/auth/whoami").headers["RateLimit-Remaining"] == "49"


def test_identifiers_begin_again(world: Sandbox) -> None:
    first = [world.create(), world.create(), world.state("an active key")]
    world.reset()
    assert [world.create(), world.create(), world.state("an active key")] == first


def test_it_waits_for_requests_that_are_in_progress(world: Sandbox, directory: Path) -> None:
    before = dump(directory)

    def work(number: int) -> int:
        with httpx.Client(timeout=60, trust_env=False, verify=NO_TLS) as client:
            caller = World(world.facts, client)
            body = {"name": "U", "email": f"{number}@example.com", "password": "long enough"}
            # Hashing a password takes a while, outside of the event loop.
            return caller.call("POST", "/auth/sign-up/email", body, {}).status_code

    with ThreadPoolExecutor(8) as pool:
        signed_up = [pool.submit(work, number) for number in range(8)]
        while not world.requests("signUpEmail"):
            time.sleep(0.001)
        world.reset()
        begun_after = len(world.requests("signUpEmail"))
        assert {each.result() for each in signed_up} == {200}
    # Those of before are gone, and those that arrived meanwhile were served after it.
    users = dump(directory).count('INSERT INTO "user"') - before.count('INSERT INTO "user"')
    assert begun_after <= users == len(world.requests("signUpEmail")) < 8


def test_a_request_that_a_fault_delays_has_no_effect_after_it(world: Sandbox) -> None:
    world.fail("createApiKey", delay_ms=300)
    body = world.body(name="Late")
    url = world.facts["base_url"] + "/auth/api-keys"
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(httpx.post, url, json=body, headers=world.key, timeout=30)
        while not world.requests():
            time.sleep(0.001)
        begun = time.monotonic()
        world.reset()
        # It does not wait for the delay: a client may have given up long ago.
        assert time.monotonic() - begun < 0.3
        with pytest.raises(httpx.RemoteProtocolError):
            late.result()
    names = [key["name"] for key in world.call("GET", "/auth/api-keys").json()["api_keys"]]
    assert "Late" not in names
    # Nor on identifiers.
    made = world.create()
    world.reset()
    assert world.create() == made


def test_several_at_once_are_one_after_another(world: Sandbox, directory: Path) -> None:
    before = dump(directory)

    def reset_and_create(_: int) -> int:
        with httpx.Client(timeout=60, trust_env=False, verify=NO_TLS) as client:
            caller = World(world.facts, client)
            caller.reset()
            return caller.call("POST", "/auth/api-keys", caller.body()).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(reset_and_create, range(24))) == {201}
    world.reset()
    assert dump(directory) == before


def test_a_client_that_stalls_in_a_large_body_delays_no_reset(world: Sandbox) -> None:
    host, port = world.facts["base_url"].split("/")[2].split(":")
    head = b"POST /v1/auth/api-keys HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with socket.create_connection((host, int(port))) as stalled:
        stalled.sendall(head + b"Content-Length: 1000000\r\n\r\n" + b" " * 70_000)
        time.sleep(0.2)
        begun = time.monotonic()
        world.reset()
        assert time.monotonic() - begun < 10
