"""Clients that create, rotate, use and revoke keys all at once, and note what they are told."""

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from faults.ledger import Ledger, Step
from support import Server, Tenant

#: What happens to a connection whose server is killed.
BROKEN = (http.client.HTTPException, OSError)
#: How many secrets one request verifies, at most: `VerifyBatchRequest` of the document.
AT_ONCE = 100
#: Longer than any test: the old secret stays good.
LONG_GRACE = 86_400
#: No key here covers it: who asks for it learns that the secret is good, and does not use it.
NOBODYS_SCOPE = "nobodys:scope"

STATUSES = {"create": 201, "rotate": 201, "use": 200, "revoke": 204}


class Client:
    """One connection to a server, with the tenant's first key."""

    def __init__(self, server: Server, tenant: Tenant) -> None:
        self._tenant = tenant
        self._connection = http.client.HTTPConnection(*server.address, timeout=30)

    def close(self) -> None:
        self._connection.close()

    def ask(self, method: str, path: str, body: Any = None, once: str = "") -> tuple[int, Any]:
        """Ask, and read the answer whole. Raises one of BROKEN when there is none."""
        headers = {"X-API-Key": self._tenant.key, "Content-Type": "application/json"}
        if once:
            headers["Idempotency-Key"] = once
        content = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, f"/v1{path}", content, headers)
            response = self._connection.getresponse()
            text = response.read()
        except BROKEN:
            # It opens itself again.
            self._connection.close()
            raise
        return response.status, json.loads(text) if text else None

    def take(self, step: Step, ledger: Ledger) -> Any:
        """Ask for a step. Raises AssertionError for an answer that it must not have."""
        key = ledger.keys.get(step.name)
        tenant = self._tenant
        match step.kind:
            case "create":
                body: Any = {"name": step.name, "org_id": tenant.org_id, "env_id": tenant.env_id}
                body["scopes"] = "orders:read"
                asked = ("POST", "/auth/api-keys", body, step.once)
            case "rotate":
                assert key
                body = {"grace_period_seconds": step.grace_seconds}
                asked = ("POST", f"/auth/api-keys/{key.id}/rotations", body, step.once)
            case "use":
                assert key
                secret = key.stands[0].pending or key.stands[0].own
                asked = ("POST", "/auth/api-keys/verify", {"key": secret}, "")
            case "revoke":
                assert key
                asked = ("DELETE", f"/auth/api-keys/{key.id}?reason=superseded", None, "")
        status, answer = self.ask(*asked)
        assert status == STATUSES[step.kind], (step, status, answer)
        assert step.kind != "use" or answer["code"] == "VALID", (step, answer["code"])
        return answer

    def codes(self, secrets: list[str], pending: set[str]) -> dict[str, str]:
        """What the server says of secrets. Those in `pending` it is asked about without use."""
        codes: dict[str, str] = {}
        for first in range(0, len(secrets), AT_ONCE):
            some = secrets[first : first + AT_ONCE]
            wanted = [
                {"key": each} | ({"scopes": NOBODYS_SCOPE} if each in pending else {})
                for each in some
            ]
            status, answer = self.ask("POST", "/auth/api-keys/verify-batch", {"requests": wanted})
            assert status == 200, (status, answer)
            codes |= {each: one["code"] for each, one in zip(some, answer["results"], strict=True)}
        return codes


@dataclass
class Load:
    """Clients at work, until they are told to stop."""

    ledger: Ledger
    #: Set when nothing is to be sent any more.
    over: threading.Event
    #: What no client may be answered.
    wrong: list[BaseException]
    #: Called by a client that was answered.
    when_answered: Callable[[Step], None] = lambda _: None

    def work(self, client: Client, rng: Random, whose: str) -> None:
        """Take steps with keys of one's own, one after the other."""
        mine = [name for name in self.ledger.keys if name.startswith(whose)]
        while not self.over.is_set():
            step = self._next(rng, whose, mine)
            if step.kind == "create":
                mine.append(step.name)
            self.ledger.sent(step)
            try:
                answer = client.take(step, self.ledger)
            except BROKEN:
                # It stays in doubt, and its key is left alone until somebody has looked.
                self.over.wait(0.01)
                continue
            except AssertionError as wrong:
                self.wrong.append(wrong)
                return
            self.ledger.answered(step, answer)
            self.when_answered(step)

    def _next(self, rng: Random, whose: str, mine: list[str]) -> Step:
        once = f"{whose}{rng.getrandbits(64):016x}"
        # Of the latest; what is older is only looked at.
        name = rng.choice(mine[-30:]) if mine else ""
        key = self.ledger.keys.get(name)
        if key is None or name in self.ledger.unanswered or key.stand.revoked or rng.random() < 0.3:
            return Step("create", once, once)
        if rng.random() < 0.4:
            return Step("rotate", name, once, rng.choice((0, LONG_GRACE)))
        return Step(rng.choice(("use", "use", "revoke")), name)


@contextlib.contextmanager
def working(
    server: Server,
    tenant: Tenant,
    load: Load,
    rng: Random,
    clients: int = 4,
) -> Iterator[None]:
    """Let clients work while the block runs. Raises what they found wrong."""
    ours = [Client(server, tenant) for _ in range(clients)]
    seeds = [rng.random() for _ in ours]
    threads = [
        threading.Thread(
            target=load.work,
            args=(client, Random(seed), f"client-{number}-"),  # noqa: S311 - can be repeated
        )
        for number, (client, seed) in enumerate(zip(ours, seeds, strict=True))
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        load.over.set()
        for thread in threads:
            thread.join()
        for client in ours:
            client.close()
    if load.wrong:
        raise load.wrong[0]


def resume(client: Client, ledger: Ledger) -> int:
    """Ask again for what was not answered, as clients do. Returns how much that was."""
    steps = list(ledger.unanswered.values())
    for step in steps:
        if step.kind in ("create", "rotate"):
            ledger.answered(step, client.take(step, ledger))
        else:
            ledger.given_up(step)
    return len(steps)
