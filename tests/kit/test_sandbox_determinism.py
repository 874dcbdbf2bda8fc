"""The same requests get the same answers, to the byte, in every run and every process."""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
from support import NO_TLS
from support.sandboxes import Sandbox, World, sandbox

#: How often the requests are sent again; the whole proof has 20.
RUNS = int(os.environ.get("KIT_RUNS", "4"))

#: How many rounds of requests there are: more than 200 requests.
ROUNDS = 7

Bytes = tuple[int, tuple[tuple[bytes, bytes], ...], bytes]


@pytest.fixture(scope="module")
def second_sandbox() -> Iterator[Sandbox]:
    """Another process on the same machine."""
    with sandbox() as running:
        yield running


def whole(answer: httpx.Response) -> Bytes:
    """Status, headers and body, as they were sent."""
    return answer.status_code, tuple(answer.headers.raw), answer.content


class Script:
    """Sends many kinds of requests, and keeps each answer."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.answers: list[Bytes] = []

    def send(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        answer = self.world.call(method, path, body, **more)
        self.answers.append(whole(answer))
        return answer.json() if answer.content.startswith(b"{") else None

    def run(self) -> list[Bytes]:
        for number in range(ROUNDS):
            self._round(number)
        return self.answers

    def _round(self, number: int) -> None:
        world, send, owner = self.world, self.send, self.world.owner
        org = f"/organizations/{world.facts['org_id']}"
        environment = send(
            "POST",
            "/environments",
            {"org_id": world.facts["org_id"], "name": "E", "slug": f"e-{number}"},
            headers=owner,
        )["environment"]["id"]
        idempotent = {**world.key, "Idempotency-Key": f"attempt-number-{number}"}
        for _ in range(2):
            key = send("POST", "/auth/api-keys", world.body(), headers=idempotent)
        path = f"/auth/api-keys/{key['id']}"
        limits = {"rate_limit": {"requests": 5, "window_seconds": 60}, "name": "Renamed"}
        send("PATCH", path, limits)
        rotated = send("POST", f"{path}/rotations", {"grace_period_seconds": 60})
        for secret in (key["key"], rotated["key"], key["key"], "nonsense"):
            send("POST", "/auth/api-keys/verify", {"key": secret, "explain": True})
            world.advance(7.25)
        batch = {"requests": [{"key": each["key"]} for each in world.facts["keys"].values()]}
        send("POST", "/auth/api-keys/verify-batch", batch)
        send("GET", "/auth/authorize", headers={"X-API-Key": rotated["key"]})
        email = f"user-{number}@example.com"
        sign_up = {"name": "U", "email": email, "password": "long enough"}
        send("POST", "/auth/sign-up/email", sign_up, headers={})
        member = send("POST", f"{org}/members", {"email": email, "role": "member"}, headers=owner)
        member_path = f"{org}/members/{member['member']['id']}"
        send("PATCH", member_path, {"role": "admin"}, headers=owner)
        signed_in = send(
            "POST",
            "/auth/sign-in/email",
            {"email": email, "password": "long enough"},
            headers={},
        )
        bearer = {"Authorization": f"Bearer {signed_in['token']}"}
        send("GET", "/auth/get-session", headers=bearer)
        send("POST", "/auth/sign-out", {}, headers=bearer)
        world.state("a rotation in its grace period")
        world.fail("whoami", status=503)
        for headers in (world.key, world.key, bearer, {}):
            send("GET", "/auth/whoami", headers=headers)
        send("DELETE", f"{path}?reason=superseded")
        send("DELETE", member_path, headers=owner)
        send("DELETE", f"/environments/{environment}", headers=owner)
        cursor = send("GET", "/auth/api-keys?limit=3")["cursor"]
        for query in (f"limit=3&cursor={cursor}", "limit=0", "limit=100"):
            send("GET", f"/auth/api-keys?{query}")
        send("GET", "/audit-log?limit=200", headers=owner)
        send("GET", org, headers=owner)
        send("GET", "/missing")
        send("PUT", "/health")
        send("POST", "/auth/api-keys", headers=world.key, content=b"{")


def digest(answers: list[Bytes]) -> str:
    return hashlib.sha256(repr(answers).encode()).hexdigest()


def run(world: World) -> list[Bytes]:
    """The answers to all requests, from the beginning."""
    world.reset()
    answers = Script(world).run()
    assert len(answers) >= 200
    return answers


def test_every_run_in_two_processes_has_the_same_answers(
    running_sandbox: Sandbox, second_sandbox: Sandbox
) -> None:
    first = run(running_sandbox)
    statuses = {status for status, _, _ in first}
    assert {200, 201, 204, 400, 401, 404, 405, 503} <= statuses
    for number in range(1, RUNS):
        again = run((running_sandbox, second_sandbox)[number % 2])
        assert again == first
    print(f"{RUNS} runs in 2 processes, {len(first)} answers each: {digest(first)}")


def test_facts_are_the_same_but_for_the_port(
    running_sandbox: Sandbox, second_sandbox: Sandbox
) -> None:
    def facts(world: Sandbox) -> str:
        origin = world.facts["base_url"].removesuffix("/v1")
        return str(world.facts).replace(origin, "")

    assert facts(running_sandbox) == facts(second_sandbox)


@contextmanager
def noise(world: World, count: int) -> Iterator[None]:
    """Requests of other operations by other clients, all the while."""
    stopped = False

    def send() -> int:
        sent = 0
        with httpx.Client(timeout=60, trust_env=False, verify=NO_TLS) as client:
            other = World(world.facts, client)
            while not stopped:
                place = {"org_id": world.facts["org_id"], "name": "N"}
                other.call("POST", "/environments", {**place, "slug": "taken"}, other.owner)
                other.call("GET", "/audit-log", headers=other.owner)
                sent += 1
        return sent

    with ThreadPoolExecutor(count) as pool:
        senders = [pool.submit(send) for _ in range(count)]
        try:
            yield
        finally:
            stopped = True
        assert all(sender.result() for sender in senders)


def test_other_operations_before_or_in_parallel_change_no_identifier(world: Sandbox) -> None:
    def create() -> list[dict[str, Any]]:
        made = [world.create() for _ in range(20)]
        return [*made, world.state("a pending rotation")]

    alone = create()
    world.reset()
    world.call("GET", "/auth/api-keys")
    world.call("POST", "/auth/sign-in/email", {"email": "a@b.c", "password": "long enough"})
    assert create() == alone
    world.reset()
    with noise(world, 4):
        assert create() == alone


def test_parallel_requests_of_one_operation_have_the_same_identifiers_in_any_order(
    world: Sandbox,
) -> None:
    def create(_: int) -> str:
        with httpx.Client(timeout=60, trust_env=False, verify=NO_TLS) as client:
            return str(World(world.facts, client).create()["id"])

    def in_parallel() -> list[str]:
        with ThreadPoolExecutor(8) as pool:
            return sorted(pool.map(create, range(40)))

    first = in_parallel()
    assert len(set(first)) == 40
    world.reset()
    assert in_parallel() == first


def test_another_seed_has_other_identifiers_and_secrets(running_sandbox: Sandbox) -> None:
    with ExitStack() as stack:
        seeds = [stack.enter_context(sandbox("--seed", seed)) for seed in ("0", str(2**63 - 1))]
        worlds = [running_sandbox, *seeds]
        for world in worlds:
            world.reset()
        values: tuple[Callable[[World], str], ...] = (
            lambda world: world.facts["key"],
            lambda world: world.facts["org_id"],
            lambda world: world.facts["auth_secret"],
            lambda world: world.facts["sessions"]["live"],
            lambda world: world.create()["id"],
            lambda world: world.call("GET", "/health").headers["x-request-id"],
        )
        for of in values:
            assert len({of(world) for world in worlds}) == len(worlds)
