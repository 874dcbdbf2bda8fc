"""409 quota_exceeded: of each operation that can exceed a quota, on a server with small ones."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from support import Database, Server, Tenant, assert_error, run, serving

MOST = 3
SETTINGS: dict[str, Any] = {
    f"HOOKSTREAM_MAX_{name}": str(MOST)
    for name in (
        "ORGANIZATIONS_PER_USER",
        "MEMBERS_PER_ORGANIZATION",
        "ENVIRONMENTS_PER_ORGANIZATION",
        "KEYS_PER_ENVIRONMENT",
        "ROTATIONS_PER_KEY",
    )
}
FIRST, SECOND = (f"{number}2f7b7cd-0b5e-4c8a-9d3f-5a1e6c7b8d90" for number in "ab")


class Place:
    """A server with small quotas, its tenant, and requests by a user who is new to it."""

    def __init__(self, server: Server, tenant: Tenant) -> None:
        self.server, self.tenant = server, tenant
        self.user = server.database.add_user()
        self.org_id = server.database.add_organization()
        server.database.add_member(self.org_id, self.user, "owner")
        self.env_id = server.database.add_environment(self.org_id)
        self.session = {"Authorization": f"Bearer {server.database.add_session(self.user)}"}

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.server.request("POST", path, json=body, headers={**self.session, **headers})

    def create_key(self, number: int = 0, **more: str) -> httpx.Response:
        body = {"name": f"Key {number}", "org_id": self.org_id, "env_id": self.env_id}
        return self.post("/auth/api-keys", body, **more)

    def create_environment(self, number: int) -> httpx.Response:
        body = {"name": "Staging", "slug": f"staging-{number}", "org_id": self.org_id}
        return self.post("/environments", body)

    def create_organization(self, number: int) -> httpx.Response:
        return self.post("/organizations", {"name": f"Organization {number}"})

    def add_member(self, _: int) -> httpx.Response:
        user = self.server.database.add_user()
        ((email,),) = self.server.database.execute('select email from "user" where id = ?', (user,))
        body = {"email": email, "role": "member"}
        return self.post(f"/organizations/{self.org_id}/members", body)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Tenant]]:
    database = Database(tmp_path_factory.mktemp("quotas") / "keys.db")
    tenant = database.init()
    with serving(database, workers=2, **SETTINGS) as server:
        yield server, tenant


@pytest.fixture
def place(served: tuple[Server, Tenant]) -> Place:
    return Place(*served)


def assert_exceeded(answer: httpx.Response, setting: str) -> None:
    message = assert_error(answer, 409, "quota_exceeded")["error"]
    assert f"at most {MOST} " in message
    assert f"an operator of this server can raise HOOKSTREAM_MAX_{setting}." in message


@pytest.mark.parametrize(
    ("create", "room", "setting"),
    [
        (Place.create_key, MOST, "KEYS_PER_ENVIRONMENT"),
        (Place.create_environment, MOST - 1, "ENVIRONMENTS_PER_ORGANIZATION"),
        (Place.create_organization, MOST - 1, "ORGANIZATIONS_PER_USER"),
        (Place.add_member, MOST - 1, "MEMBERS_PER_ORGANIZATION"),
    ],
)
def test_concurrent_requests_to_two_workers_do_not_exceed_it(
    place: Place, create: Callable[[Place, int], httpx.Response], room: int, setting: str
) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: create(place, number), range(12)))
    assert sorted(answer.status_code for answer in answers) == [201] * room + [409] * (12 - room)
    for answer in answers:
        if answer.status_code == httpx.codes.CONFLICT:
            assert_exceeded(answer, setting)


def test_a_user_cannot_be_added_to_more_organizations(place: Place) -> None:
    for number in range(MOST - 1):
        assert place.create_organization(number).status_code == 201
    other = Place(place.server, place.tenant)
    ((email,),) = place.server.database.execute(
        'select email from "user" where id = ?', (place.user,)
    )
    body = {"email": email, "role": "member"}
    answer = other.post(f"/organizations/{other.org_id}/members", body)
    assert_exceeded(answer, "ORGANIZATIONS_PER_USER")


def test_a_key_has_a_bounded_number_of_old_secrets(place: Place) -> None:
    created = place.create_key().json()
    path, body = f"/auth/api-keys/{created['id']}/rotations", {"grace_period_seconds": 3600}
    for _ in range(MOST):
        # A pending one is replaced, and does not count.
        assert place.post(path, body).status_code == 201
        new = place.post(path, body)
        verified = place.server.request(
            "GET", "/auth/whoami", headers={"X-API-Key": new.json()["key"]}
        )
        assert verified.status_code == 200
    assert_exceeded(place.post(path, body), "ROTATIONS_PER_KEY")


def test_an_expired_key_is_not_made_valid_beyond_it(place: Place) -> None:
    keys = [place.create_key(number).json() for number in range(MOST)]
    path = f"/auth/api-keys/{keys[0]['id']}"
    past = {"expires_at": "2020-01-01T00:00:00Z"}
    # Through the database: the API takes no expiry of the past.
    place.server.database.execute(
        "update api_key set expires_at = ? where id = ?", (past["expires_at"], keys[0]["id"])
    )
    assert place.create_key().status_code == 201
    answer = place.server.request("PATCH", path, json={"expires_at": None}, headers=place.session)
    assert_exceeded(answer, "KEYS_PER_ENVIRONMENT")
    renamed = place.server.request("PATCH", path, json={"name": "Old"}, headers=place.session)
    assert renamed.status_code == 200


def test_an_idempotent_request_is_replayed_when_there_is_no_room(place: Place) -> None:
    first = place.create_key(0, **{"Idempotency-Key": FIRST})
    for number in range(1, MOST):
        assert place.create_key(number).status_code == 201
    again = place.create_key(0, **{"Idempotency-Key": FIRST})
    assert (again.status_code, again.json()) == (201, first.json())
    refused = place.create_key(9, **{"Idempotency-Key": SECOND})
    assert_exceeded(refused, "KEYS_PER_ENVIRONMENT")
    # What was refused was not stored: the same request succeeds when there is room.
    revoked = place.server.request(
        "DELETE", f"/auth/api-keys/{first.json()['id']}", headers=place.session
    )
    assert revoked.status_code == 204
    assert place.create_key(9, **{"Idempotency-Key": SECOND}).status_code == 201


def test_the_operator_is_not_bound(place: Place) -> None:
    for number in range(MOST):
        assert place.create_key(number).status_code == 201
    answer = run(
        "keys",
        "create",
        "--org",
        place.org_id,
        "--env",
        place.env_id,
        "--name",
        "One more",
        database=place.server.database.path,
        **SETTINGS,
    )
    assert answer.returncode == 0, answer.stderr
