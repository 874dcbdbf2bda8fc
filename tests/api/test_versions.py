"""ETag and If-Match: of two changes of one version, one is refused."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx
import pytest
from support import Server, Tenant, assert_error, cookie

Headers = dict[str, str]

#: One of each kind: its path, and a change that has an effect however often it is made.
Resource = tuple[str, Callable[[int], dict[str, Any]]]


@pytest.fixture(params=["key", "environment", "organization"])
def resource(
    request: pytest.FixtureRequest, server: Server, tenant: Tenant, owner: Headers
) -> Resource:
    if request.param == "key":
        body = {"name": "k", "org_id": tenant.org_id, "env_id": tenant.env_id}
        made = server.request("POST", "/auth/api-keys", json=body, headers=owner).json()
        return f"/auth/api-keys/{made['id']}", lambda number: {"metadata": {"n": str(number)}}
    path, body = "/organizations", {"name": "Acme"}
    if request.param == "environment":
        path, body = "/environments", {"name": "Staging", "slug": f"s{id(request)}"}
    made = server.request("POST", path, json=body, headers=owner).json()[request.param]
    return f"{path}/{made['id']}", lambda number: {"name": f"Name {number}"}


def version(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    tag: str = answer.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    return tag


def test_200_and_412_by_the_version(server: Server, owner: Headers, resource: Resource) -> None:
    path, change = resource
    first = version(server.request("GET", path, headers=owner))
    assert version(server.request("HEAD", path, headers=owner)) == first

    def patch(number: int, if_match: str) -> httpx.Response:
        headers = {**owner, "If-Match": if_match}
        return server.request("PATCH", path, json=change(number), headers=headers)

    second = version(patch(1, first))
    assert second != first
    before = server.database.dump_but_usage()
    for stale in (first, f"W/{second}", '"other"'):
        answer = patch(2, stale)
        assert_error(answer, 412, "precondition_failed", "header/If-Match")
        assert "etag" not in answer.headers
        deleted = server.request("DELETE", path, headers={**owner, "If-Match": stale})
        assert_error(deleted, 412, "precondition_failed", "header/If-Match")
    assert server.database.dump_but_usage() == before
    shown = server.request("GET", path, headers=owner)
    assert version(shown) == second
    # Several versions, in one field or more, any version, and no condition.
    third = version(patch(3, f'"other", {second}'))
    fields = [*owner.items(), ("If-Match", '"other"'), ("If-Match", third)]
    fourth = version(server.request("PATCH", path, json=change(4), headers=fields))
    fifth = version(patch(5, "*"))
    sixth = version(server.request("PATCH", path, json=change(6), headers=owner))
    assert len({first, second, third, fourth, fifth, sixth}) == 6
    done = server.request("DELETE", path, headers={**owner, "If-Match": sixth})
    assert done.status_code == 204


@pytest.mark.parametrize("wrong", ["other", '"a', '"a" "b"', "*, *", ""])
def test_400_to_what_is_no_version(
    server: Server, owner: Headers, resource: Resource, wrong: str
) -> None:
    path, change = resource
    headers = {**owner, "If-Match": wrong}
    for method, body in (("PATCH", change(1)), ("DELETE", None)):
        answer = server.request(method, path, json=body, headers=headers)
        assert_error(answer, 400, "bad_request", "header/If-Match")


def test_of_concurrent_changes_of_one_version_one_is_made(
    server: Server, owner: Headers, resource: Resource
) -> None:
    path, change = resource
    clients = 8
    for _ in range(5):
        first = version(server.request("GET", path, headers=owner))
        together = Barrier(clients)

        def patch(number: int, first: str = first, together: Barrier = together) -> httpx.Response:
            headers = {**owner, "If-Match": first}
            together.wait()
            return server.request("PATCH", path, json=change(number), headers=headers)

        # None of them leaves the resource as it was.
        numbers = range(int(first[1:9], 16), int(first[1:9], 16) + clients)
        with ThreadPoolExecutor(clients) as pool:
            answers = list(pool.map(patch, numbers))
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [200] + [412] * (clients - 1)
        (made,) = (answer for answer in answers if answer.status_code == 200)
        shown = server.request("GET", path, headers=owner)
        assert version(shown) == version(made)
        assert without_uses(shown.json()) == without_uses(made.json())


def without_uses(body: dict[str, Any]) -> str:
    (shown,) = body.values()
    return json.dumps({name: shown[name] for name in shown if "last_" not in name}, sort_keys=True)


def test_uses_leave_a_keys_version_and_every_change_of_it_moves_it(
    server: Server, tenant: Tenant, owner: Headers
) -> None:
    wanted = {"name": "k", "org_id": tenant.org_id, "env_id": tenant.env_id}
    made = server.request("POST", "/auth/api-keys", json=wanted, headers=owner).json()
    path, own = f"/auth/api-keys/{made['id']}", {"X-API-Key": made["key"]}
    first = version(server.request("GET", path, headers=owner))
    # It is itself used here.
    assert version(server.request("GET", path, headers=own)) == first
    assert version(server.request("GET", path, headers=own)) == first
    versions = [first]
    changes: list[dict[str, Any]] = [
        {"name": "other"},
        {"scopes": "a:b"},
        {"enabled": False},
        {"enabled": True, "expires_at": "2001-01-01T00:00:00Z"},
        {"expires_at": "2030-01-01T00:00:00Z"},
        {"allowed_ips": ["192.0.2.0/24"]},
        {"metadata": {"a": "b"}},
        {"external_id": "x"},
        {"rate_limit": {"requests": 1, "window_seconds": 1}},
    ]
    for change in changes:
        answer = server.request("PATCH", path, json=change, headers=owner)
        versions.append(version(answer))
    body = {"grace_period_seconds": 60}
    rotation = server.request("POST", f"{path}/rotations", json=body, headers=owner).json()
    versions.append(version(server.request("GET", path, headers=owner)))
    cancelled = f"{path}/rotations/{rotation['rotation']['id']}"
    assert server.request("DELETE", cancelled, headers=owner).status_code == 204
    # As before the rotation, and so is its version.
    assert version(server.request("GET", path, headers=owner)) == versions[-2]
    assert server.request("DELETE", path, headers=owner).status_code == 204
    versions.append(version(server.request("GET", path, headers=owner)))
    assert len(set(versions)) == len(versions)
    # RFC 9110, section 13.2.1: what is refused anyway is not 412.
    stale = {**owner, "If-Match": first}
    answer = server.request("PATCH", path, json={"name": "x"}, headers=stale)
    assert_error(answer, 409, "conflict")


def test_404_and_403_precede_412(server: Server, tenant: Tenant, owner: Headers) -> None:
    stale = {"If-Match": '"stale"'}
    outsider = {"Cookie": cookie(server.database.add_session(server.database.add_user()))}
    outsider["Origin"] = server.origin
    path = f"/environments/{tenant.env_id}"
    answer = server.request("PATCH", path, json={"name": "x"}, headers=outsider | stale)
    assert_error(answer, 404, "environment_not_found")
    member = server.database.add_user()
    server.database.add_member(tenant.org_id, member)
    headers = {"Authorization": f"Bearer {server.database.add_session(member)}"}
    answer = server.request("PATCH", path, json={"name": "x"}, headers=headers | stale)
    assert_error(answer, 403, "forbidden")
    assert version(server.request("GET", path, headers=headers)) == version(
        server.request("GET", path, headers=owner)
    )


def test_an_organizations_version_is_that_of_every_role(
    server: Server, tenant: Tenant, owner: Headers
) -> None:
    path, member = f"/organizations/{tenant.org_id}", server.database.add_user()
    server.database.add_member(tenant.org_id, member)
    headers = {"Authorization": f"Bearer {server.database.add_session(member)}"}
    shown = [server.request("GET", path, headers=each) for each in (owner, headers)]
    roles = [each.json()["organization"]["role"] for each in shown]
    assert roles == ["owner", "member"]
    assert version(shown[0]) == version(shown[1])
    # better-auth changes the same row.
    sql = "update organization set name = 'Renamed' where id = ?"
    server.database.execute(sql, (tenant.org_id,))
    assert version(server.request("GET", path, headers=owner)) != version(shown[0])
