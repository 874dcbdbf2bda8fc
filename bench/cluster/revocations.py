"""How long revocations take while keys are verified."""

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor

from harness.places import WORK
from harness.server import Server, serving
from harness.system import Data

from cluster.postgresql import Cluster, name_of
from cluster.systems import OnPostgresql

#: How many keys are revoked for a figure.
_REVOCATIONS = 200


def revocations(
    data: Data, url: str, database: Cluster, *, has_standby: bool, seconds: int
) -> list[float]:
    """How long revocations take while other connections verify, in seconds, sorted."""
    url = database.new(name_of(url))
    with serving(OnPostgresql(url, has_standby=has_standby), data.copy(WORK / "run")) as server:
        load = server.load("verify", connections=16, seconds=seconds)
        with ThreadPoolExecutor(1) as thread:
            driving = thread.submit(server.drive, load)
            found = _revoke(server, data.facts())
            driving.result()
    return sorted(found)


def _revoke(server: Server, facts: dict[str, str]) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {"X-API-Key": facts["BENCH_CALLER"], "Content-Type": "application/json"}
    body = {"name": "r", "org_id": facts["BENCH_ORG"], "env_id": facts["BENCH_ENV"]}
    found = []
    for _ in range(_REVOCATIONS):
        connection.request("POST", "/v1/auth/api-keys", json.dumps(body), headers)
        made = json.loads(connection.getresponse().read())
        begun = time.perf_counter()
        connection.request("DELETE", f"/v1/auth/api-keys/{made['id']}", headers=headers)
        answer = connection.getresponse()
        answer.read()
        found.append(time.perf_counter() - begun)
        if answer.status != http.client.NO_CONTENT:
            raise RuntimeError(answer.status)
    connection.close()
    return found
