"""Clients that create, rotate, use and revoke keys all at once, and note what they are told."""

import http.client
import json
from typing import Any

from faults.ledger import Ledger, Step
from support import Server, Tenant

#: What happens to a connection whose server is killed.
BROKEN = (http.client.HTTPException, OSError)
#: How many secrets one request verifies, at most: `VerifyBatchRequest` of the document.
AT_ONCE = 100
#: Longer than any test: the old secret stays valid.
LONG_GRACE = 86_400
#: No key here has it: verifying with it shows that the secret is valid, without a use.
UNGRANTED_SCOPE = "ungranted:scope"

STATUSES = {"create": 201, "rotate": 201, "use": 200, "revoke": 204}


class Client:
    """One connection to a server, with the tenant's first key."""

    def __init__(self, server: Server, tenant: Tenant) -> None:
        self._tenant = tenant
        self._connection = http.client.HTTPConnection(*server.address, timeout=120)

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
        """The verification codes of secrets. Those in `pending` are verified without a use."""
        codes: dict[str, str] = {}
        for first in range(0, len(secrets), AT_ONCE):
            some = secrets[first : first + AT_ONCE]
            wanted = [
                {"key": each} | ({"scopes": UNGRANTED_SCOPE} if each in pending else {})
                for each in some
            ]
            status, answer = self.ask("POST", "/auth/api-keys/verify-batch", {"requests": wanted})
            assert status == 200, (status, answer)
            codes |= {each: one["code"] for each, one in zip(some, answer["results"], strict=True)}
        return codes


def resume(client: Client, ledger: Ledger) -> int:
    """Ask again for what was not answered, as clients do. Returns how much that was."""
    steps = list(ledger.unanswered.values())
    for step in steps:
        if step.kind in ("create", "rotate"):
            ledger.answered(step, client.take(step, ledger))
        else:
            ledger.given_up(step)
    return len(steps)
