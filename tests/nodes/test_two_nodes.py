"""Two nodes on one PostgreSQL database: what one acknowledges holds on the other at once.

Each race is run so often through both nodes at the same time, and none may go wrong.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from support import NO_TLS, ON_POSTGRESQL, Database, Tenant, run, serving

pytestmark = pytest.mark.skipif(not ON_POSTGRESQL, reason="two nodes share a database by network")

#: How often each race is run.
TRIALS = int(os.environ.get("NODES_TRIALS") or 20)


@dataclass
class Nodes:
    """Two servers, and a client of each."""

    clients: tuple[httpx.Client, httpx.Client]
    tenant: Tenant
    #: The header of a session of the owner.
    owner: dict[str, str] = field(default_factory=dict)

    def ask(self, node: int, method: str, path: str, **given: Any) -> httpx.Response:
        """What one node answers, to the first key unless other headers are given."""
        given.setdefault("headers", {"X-API-Key": self.tenant.key})
        return self.clients[node].request(method, path, **given)

    def both(self, *requests: Callable[[int], httpx.Response]) -> list[httpx.Response]:
        """What the nodes answer to one request each, at the same time."""
        with ThreadPoolExecutor(len(requests)) as pool:
            return [
                each.result()
                for each in [pool.submit(ask, node % 2) for node, ask in enumerate(requests)]
            ]

    def made(self, path: str, **body: Any) -> dict[str, Any]:
        """What a POST to the first node has made."""
        answer = self.ask(0, "POST", path, json=body, headers=self.owner)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def key(self, **more: Any) -> dict[str, Any]:
        """A new key of the first environment."""
        where = {"org_id": self.tenant.org_id, "env_id": self.tenant.env_id}
        return self.made("/auth/api-keys", name="k", **{**where, **more})

    def session(self) -> dict[str, str]:
        """The header of a new session of the owner."""
        body = {"email": self.tenant.email, "password": self.tenant.password}
        answer = self.ask(0, "POST", "/auth/sign-in/email", json=body, headers={})
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['token']}"}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    database = Database(Path(tmp_path_factory.mktemp("nodes"), "hookstream.db"))
    tenant = database.init()
    with (
        serving(database, HOOKSTREAM_RATE_LIMIT="off") as one,
        serving(database, HOOKSTREAM_RATE_LIMIT="off") as two,
    ):
        clients = [
            httpx.Client(base_url=each.url, timeout=20, trust_env=False, verify=NO_TLS)
            for each in (one, two)
        ]
        made = Nodes((clients[0], clients[1]), tenant)
        made.owner = made.session()
        yield made
        for client in clients:
            client.close()


def code(nodes: Nodes, node: int, secret: str) -> str:
    answer = nodes.ask(node, "POST", "/auth/api-keys/verify", json={"key": secret})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["code"])


def test_a_revocation_is_known_to_the_other_node_when_it_is_answered(nodes: Nodes) -> None:
    for trial in range(TRIALS):
        key = nodes.key()
        one, other = trial % 2, 1 - trial % 2
        assert code(nodes, other, key["key"]) == "VALID"
        assert nodes.ask(one, "DELETE", f"/auth/api-keys/{key['id']}").status_code == 204
        assert code(nodes, other, key["key"]) == "REVOKED"


def test_a_narrowed_key_is_narrowed_on_the_other_node(nodes: Nodes) -> None:
    for trial in range(TRIALS):
        key = nodes.key()
        path = f"/auth/api-keys/{key['id']}"
        assert nodes.ask(trial % 2, "PATCH", path, json={"enabled": False}).status_code == 200
        assert code(nodes, 1 - trial % 2, key["key"]) == "DISABLED"


def test_a_session_that_has_ended_is_ended_on_the_other_node(nodes: Nodes) -> None:
    for trial in range(min(TRIALS, 20)):
        headers = nodes.session()
        assert nodes.ask(1, "GET", "/auth/whoami", headers=headers).status_code == 200
        answer = nodes.ask(trial % 2, "POST", "/auth/sign-out", json={}, headers=headers)
        assert answer.status_code == 200, answer.text
        assert nodes.ask(1 - trial % 2, "GET", "/auth/whoami", headers=headers).status_code == 401


def test_a_limit_is_exact_over_both_nodes(nodes: Nodes) -> None:
    key = nodes.key(rate_limit={"requests": 50, "window_seconds": 86_400})

    def ask(node: int) -> str:
        return code(nodes, node % 2, key["key"])

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(120)))
    assert (found.count("VALID"), found.count("RATE_LIMITED")) == (50, 70)


def test_an_idempotent_request_to_both_nodes_is_done_once(nodes: Nodes) -> None:
    where = {"org_id": nodes.tenant.org_id, "env_id": nodes.tenant.env_id}
    for _ in range(TRIALS):
        headers = {"X-API-Key": nodes.tenant.key, "Idempotency-Key": secrets.token_hex(16)}

        def create(node: int, headers: dict[str, str] = headers) -> httpx.Response:
            body = {"name": "once", **where}
            return nodes.ask(node, "POST", "/auth/api-keys", json=body, headers=headers)

        first, second = nodes.both(create, create)
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.skipif(not ON_POSTGRESQL, reason="a file's secret is beside it")
def test_a_node_with_another_secret_does_not_start(database: Database, workers: str) -> None:
    database.init()
    with serving(database):
        done = run(
            "serve", "--port", "0", "--workers", workers, database=database.path,
            BETTER_AUTH_SECRET="another secret of more than 32 characters",
        )  # fmt: skip
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert "has another BETTER_AUTH_SECRET" in done.stderr
    # When the others have ended it does.
    with serving(database, BETTER_AUTH_SECRET="another secret of more than 32 characters") as alone:
        assert alone.request("GET", "/health/ready").status_code == 200


def test_a_slug_is_taken_once(nodes: Nodes) -> None:
    for _ in range(TRIALS):
        body = {"name": "E", "slug": f"e{secrets.token_hex(6)}", "org_id": nodes.tenant.org_id}

        def create(node: int, body: dict[str, str] = body) -> httpx.Response:
            return nodes.ask(node, "POST", "/environments", json=body, headers=nodes.owner)

        assert sorted(each.status_code for each in nodes.both(create, create)) == [201, 409]


def test_no_key_outlives_its_environment(nodes: Nodes) -> None:
    org_id = nodes.tenant.org_id
    for _ in range(TRIALS):
        slug = f"e{secrets.token_hex(6)}"
        env_id = nodes.made("/environments", name="E", slug=slug, org_id=org_id)["environment"][
            "id"
        ]

        def create(node: int, env_id: str = env_id) -> httpx.Response:
            body = {"name": "k", "org_id": org_id, "env_id": env_id}
            return nodes.ask(node, "POST", "/auth/api-keys", json=body)

        def delete(node: int, env_id: str = env_id) -> httpx.Response:
            return nodes.ask(node, "DELETE", f"/environments/{env_id}", headers=nodes.owner)

        made, deleted = nodes.both(create, delete)
        assert deleted.status_code == 204, deleted.text
        if made.status_code == 201:
            assert code(nodes, 0, made.json()["key"]) == "REVOKED"
        else:
            assert made.status_code in (403, 404), made.text


def test_of_an_activation_and_a_cancellation_one_wins(nodes: Nodes) -> None:
    for _ in range(TRIALS):
        key = nodes.key()
        path = f"/auth/api-keys/{key['id']}/rotations"
        answer = nodes.ask(0, "POST", path, json={"grace_period_seconds": 60})
        assert answer.status_code == 201, answer.text
        rotated = answer.json()

        def use(node: int, secret: str = rotated["key"]) -> httpx.Response:
            return nodes.ask(node, "POST", "/auth/api-keys/verify", json={"key": secret})

        def cancel(node: int, path: str = f"{path}/{rotated['rotation']['id']}") -> httpx.Response:
            return nodes.ask(node, "DELETE", path)

        used, cancelled = nodes.both(use, cancel)
        assert used.status_code == 200
        is_valid = used.json()["code"] == "VALID"
        # A secret that was used cannot be cancelled, and one that was cancelled cannot be used.
        assert is_valid is (cancelled.status_code != 204), (used.text, cancelled.text)
        assert (code(nodes, 0, rotated["key"]) == "VALID") is is_valid


def test_an_owner_stays_in_an_organization(nodes: Nodes) -> None:
    headers = nodes.owner
    for _ in range(TRIALS):
        answer = nodes.ask(0, "POST", "/organizations", json={"name": "O"}, headers=headers)
        assert answer.status_code == 201, answer.text
        org_id = answer.json()["organization"]["id"]
        listed = nodes.ask(0, "GET", f"/organizations/{org_id}/members", headers=headers).json()
        (own,) = listed["members"]

        def leave(node: int, path: str = f"/organizations/{org_id}/members/{own['id']}") -> Any:
            return nodes.ask(node, "DELETE", path, headers=headers)

        assert {each.status_code for each in nodes.both(leave, leave)} == {409}
