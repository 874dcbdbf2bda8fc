"""What clients send beside what is measured: keys that they create, revoke and verify."""

import json

from harness.client_process import Connection
from harness.clients import Requests, http_request
from harness.server import Server
from harness.system import Data

_PATH = "/v1/auth/api-keys"
#: How many keys more there are than are revoked.
_SPARE = 10


def verifications(data: Data) -> tuple[bytes, ...]:
    """A verification of each key whose secret is known."""
    secrets = (line.split()[1] for line in data.keys.read_text("utf-8").splitlines())
    return tuple(
        http_request("POST", f"{_PATH}/verify", _credential(data), {"key": key}) for key in secrets
    )


def creations(data: Data, per_second: float) -> Requests:
    """Keys that are created at a rate."""
    title = f"{per_second:,.0f} creations a second"
    return Requests(title, (_create(data),), status=201, per_second=per_second)


def revocations(server: Server, seconds: int) -> Requests:
    """A revocation a second, for so many seconds, of keys that are made here for that."""
    connection, create = Connection(server.port), _create(server.data)
    made = [_id(connection.exchange(create)[1]) for _ in range(seconds + _SPARE)]
    revoke = tuple(
        http_request("DELETE", f"{_PATH}/{key_id}", _credential(server.data)) for key_id in made
    )
    return Requests("1 revocation a second", revoke, once=True, status=204, per_second=1)


def _create(data: Data) -> bytes:
    facts = data.facts()
    body = {"name": "Beside", "org_id": facts["BENCH_ORG"], "env_id": facts["BENCH_ENV"]}
    return http_request("POST", _PATH, _credential(data), body)


def _credential(data: Data) -> str:
    """The line of a header field that has the caller's key."""
    return f"X-API-Key: {data.facts()['BENCH_CALLER']}"


def _id(response: bytes) -> str:
    """The identifier of the key that was created."""
    key_id: str = json.loads(response.partition(b"\r\n\r\n")[2])["id"]
    return key_id
