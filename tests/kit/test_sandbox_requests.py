"""What clients have sent is recorded: checked against the document, without secrets, bounded."""

import json
from typing import Any

import httpx
import pytest
from support import cookie
from support.sandboxes import Sandbox, sandbox

LIVE_KEY = f"hs_live_{'0123456789abcdef' * 4}"
TOKEN = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF"
PASSWORD = "correct horse battery staple"


def recorded(world: Sandbox) -> dict[str, Any]:
    """The one request that was recorded."""
    (found,) = world.requests()
    return found


def test_a_request_is_recorded_with_all_that_was_sent(world: Sandbox) -> None:
    body = world.body(name="Recorded")
    world.call("POST", "/auth/api-keys", body, {**world.key, "X-Trace": "42"})
    found = recorded(world)
    headers = found.pop("headers")
    assert found == {
        "number": 1,
        "at": world.facts["now"],
        "method": "POST",
        "path": "/v1/auth/api-keys",
        "query": "",
        "operation": "createApiKey",
        "body": body,
        "valid": True,
        "problems": [],
        "status": 201,
        "fault": False,
    }
    # Headers that may have a secret are known to have been sent only.
    assert headers["x-trace"] == "[redacted]"
    assert headers["x-api-key"] == "[redacted]"
    assert headers["content-type"] == "application/json"


def test_requests_are_numbered_listed_in_order_and_selected_by_operation(world: Sandbox) -> None:
    world.call("GET", "/health")
    world.call("GET", "/auth/whoami")
    world.call("GET", "/health")
    assert [each["operation"] for each in world.requests()] == ["getHealth", "whoami", "getHealth"]
    assert [each["number"] for each in world.requests("getHealth")] == [1, 3]
    assert world.requests("createApiKey") == []
    assert world.control("GET", "/requests?operation=dance").status_code == 400


def test_the_control_api_is_not_recorded(world: Sandbox) -> None:
    world.advance(1)
    world.state("an active key")
    assert world.requests() == []


def test_forgetting_goes_on_counting_and_a_reset_does_not(world: Sandbox) -> None:
    world.call("GET", "/health")
    world.do("DELETE", "/requests")
    world.call("GET", "/health")
    assert recorded(world)["number"] == 2
    world.reset()
    world.call("GET", "/health")
    assert recorded(world)["number"] == 1


#: Requests that the document allows, whatever the answer is: method, path, body, headers.
VALID: list[tuple[str, str, Any, dict[str, str]]] = [
    ("GET", "/health", None, {}),
    ("HEAD", "/health", None, {}),
    ("GET", "/auth/api-keys?limit=100&state=active", None, {}),
    ("GET", "/auth/api-keys/ak_none", None, {}),
    ("POST", "/auth/api-keys/verify", {"key": "nonsense", "scopes": "a:b", "ip": "::1"}, {}),
    ("POST", "/auth/api-keys/verify-batch", {"requests": [{"key": "nonsense"}]}, {}),
    ("POST", "/auth/api-keys/revoke", {"key": LIVE_KEY, "reason": "superseded"}, {}),
    ("POST", "/auth/api-keys/ak_none/rotations", {"grace_period_seconds": 60}, {}),
    ("DELETE", "/auth/api-keys/ak_none?reason=superseded", None, {}),
    ("PATCH", "/auth/api-keys/ak_none", {"name": "New name", "expires_at": None}, {}),
    ("GET", "/auth/authorize?scope=events:read", None, {}),
    ("GET", "/audit-log?action=api_key.created&limit=200", None, {}),
    ("POST", "/auth/sign-in/email", {"email": "a@example.com", "password": "12345678"}, {}),
    ("POST", "/environments", {"org_id": "org_none", "name": "E", "slug": "e"}, {}),
    ("GET", "/openapi.json", None, {}),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "headers"),
    VALID,
    ids=[f"{number}-{each[1]}" for number, each in enumerate(VALID)],
)
def test_what_the_document_allows_is_valid(
    world: Sandbox, method: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    answer = world.call(method, path, body, {**world.owner, **headers})
    assert answer.status_code not in {400, 405, 413, 415}, answer.text
    found = recorded(world)
    assert (found["valid"], found["problems"]) == (True, [])
    assert found["status"] == answer.status_code


#: Requests that it does not allow: method, path, content, headers, the server's status.
JSON = {"Content-Type": "application/json"}
INVALID: list[tuple[str, str, bytes | None, dict[str, str], int]] = [
    ("GET", "/missing", None, {}, 404),
    ("PUT", "/auth/api-keys", None, {}, 405),
    ("GET", "/auth/api-keys?limit=0", None, {}, 400),
    ("GET", "/auth/api-keys?limit=ten", None, {}, 400),
    ("GET", "/auth/api-keys?limit=", None, {}, 400),
    ("GET", "/auth/api-keys?color=red", None, {}, 400),
    ("GET", "/auth/api-keys?limit=1&limit=2", None, {}, 400),
    ("GET", "/auth/api-keys?LIMIT=1", None, {}, 400),
    ("GET", "/auth/api-keys/a%20b", None, {}, 400),
    ("GET", "/auth/api-keys/a%2520b", None, {}, 400),
    ("DELETE", "/auth/api-keys/ak_none?reason=mood", None, {}, 400),
    ("GET", "/audit-log?limit=201", None, {}, 400),
    ("GET", "/auth/authorize?scope=no%20scope", None, {}, 400),
    ("POST", "/auth/api-keys", b"", JSON, 400),
    ("POST", "/auth/api-keys", b"{", JSON, 400),
    ("POST", "/auth/api-keys", b"[]", JSON, 400),
    ("POST", "/auth/api-keys", b"{}", JSON, 400),
    ("POST", "/auth/api-keys", b"[" * 900 + b"]" * 900, JSON, 400),
    ("POST", "/auth/api-keys", b'{"name": NaN}', JSON, 400),
    ("POST", "/auth/api-keys", b'{"name": "\\ud800"}', JSON, 400),
    ("POST", "/auth/api-keys", b'\xff{"name": "k"}', JSON, 400),
    ("POST", "/auth/api-keys", b'{"name": 7, "org_id": "o", "env_id": "e"}', JSON, 400),
    ("POST", "/auth/api-keys", b'{"name": "", "org_id": "o", "env_id": "e"}', JSON, 400),
    ("POST", "/auth/api-keys", b'{"name": "k", "org_id": "o", "env_id": "e", "x": 1}', JSON, 400),
    (
        "POST",
        "/auth/api-keys",
        b"name=k",
        {"Content-Type": "application/x-www-form-urlencoded"},
        415,
    ),
    ("POST", "/auth/api-keys", b"{}", {"Content-Type": "text/plain"}, 415),
    ("POST", "/auth/api-keys", b"{}", {}, 415),
    ("POST", "/auth/api-keys", b"{}", JSON | {"Idempotency-Key": "short"}, 400),
    ("POST", "/auth/api-keys/verify", b'{"key": "k", "ip": "here"}', JSON, 400),
    ("POST", "/auth/api-keys/ak_1/rotations", b'{"grace_period_seconds": 86401}', JSON, 400),
    ("POST", "/auth/api-keys/ak_1/rotations", b'{"grace_period_seconds": "60"}', JSON, 400),
    ("PATCH", "/auth/api-keys/ak_1", b'{"expires_at": "tomorrow"}', JSON, 400),
    ("POST", "/auth/sign-in/email", b'{"email": "no"}', JSON, 400),
]


@pytest.mark.parametrize(
    ("method", "path", "content", "headers", "status"),
    INVALID,
    ids=[f"{number}-{each[1]}" for number, each in enumerate(INVALID)],
)
def test_what_the_document_forbids_is_invalid_as_the_server_says(
    world: Sandbox,
    method: str,
    path: str,
    content: bytes | None,
    headers: dict[str, str],
    status: int,
) -> None:
    answer = world.call(method, path, headers={**world.owner, **headers}, content=content)
    assert answer.status_code == status, answer.text
    found = recorded(world)
    assert not found["valid"]
    locations = {problem["location"] for problem in found["problems"]}
    told = {detail["location"] for detail in answer.json().get("details", [])}
    if status == 400:
        assert told <= locations
    else:
        assert locations == {"path" if status in (404, 405) else "header/content-type"}


def test_a_request_is_checked_although_a_fault_replaced_its_answer(world: Sandbox) -> None:
    world.fail("createApiKey", status=503, times=2)
    world.call("POST", "/auth/api-keys", {"name": ""})
    world.call("POST", "/auth/api-keys", world.body())
    first, second = world.requests()
    assert (first["valid"], first["status"], first["fault"]) == (False, 503, True)
    assert (second["valid"], second["status"], second["fault"]) == (True, 503, True)


#: Each way that a secret can be in a request: path, query, headers, body; and the secret.
SECRETS: list[tuple[str, dict[str, Any], str]] = [
    ("/auth/whoami", {"headers": {"X-API-Key": LIVE_KEY}}, LIVE_KEY),
    ("/auth/whoami", {"headers": {"Authorization": f"Bearer {LIVE_KEY}"}}, LIVE_KEY),
    ("/auth/whoami", {"headers": {"Authorization": f"Basic {TOKEN}"}}, TOKEN),
    ("/auth/whoami", {"headers": {"Cookie": cookie(TOKEN)}}, TOKEN),
    ("/auth/whoami", {"headers": {"X-Auth-Token": "opensesame"}}, "opensesame"),
    ("/auth/whoami", {"headers": {"X-Forwarded-Session": TOKEN}}, TOKEN),
    ("/auth/whoami", {"headers": {"Referer": f"https://example.com/?k={LIVE_KEY}"}}, LIVE_KEY),
    (f"/auth/api-keys/{LIVE_KEY}", {}, LIVE_KEY),
    (f"/auth/api-keys/{LIVE_KEY.upper()}", {}, LIVE_KEY.upper()),
    (f"/sessions/{TOKEN}", {}, TOKEN),
    (f"/auth/whoami?api_key={LIVE_KEY}", {}, LIVE_KEY),
    (f"/auth/whoami?{LIVE_KEY}=1", {}, LIVE_KEY),
    (f"/auth/whoami?x=%68{LIVE_KEY[1:]}", {}, LIVE_KEY[1:]),
    ("/auth/whoami?password=opensesame", {}, "opensesame"),
    (f"/auth/whoami?session={TOKEN}", {}, TOKEN),
    ("/auth/whoami?access-token=opensesame&x=1", {}, "opensesame"),
    ("/auth/api-keys/verify", {"json": {"key": LIVE_KEY}}, LIVE_KEY),
    ("/auth/api-keys/verify", {"json": {"key": "not a key of this API"}}, "not a key of this API"),
    ("/auth/api-keys/verify-batch", {"json": {"requests": [{"key": LIVE_KEY}]}}, LIVE_KEY),
    ("/auth/sign-in/email", {"json": {"email": "a@b.c", "password": PASSWORD}}, PASSWORD),
    ("/auth/sign-in/email", {"json": {"newPassword": PASSWORD}}, PASSWORD),
    ("/auth/sign-in/email", {"json": {"client_secret": [PASSWORD]}}, PASSWORD),
    ("/auth/sign-in/email", {"json": {"credentials": {"value": PASSWORD}}}, PASSWORD),
    ("/auth/sign-in/email", {"json": {"password": 20260101}}, "20260101"),
    ("/auth/api-keys", {"json": {"name": f"my {LIVE_KEY}"}}, LIVE_KEY),
    ("/auth/api-keys", {"json": {LIVE_KEY: 1}}, LIVE_KEY),
    ("/auth/api-keys", {"json": {"metadata": {"note": TOKEN}}}, TOKEN),
    ("/auth/sign-in/email", {"content": f'{{"password": "{PASSWORD}"'.encode()}, PASSWORD),
    ("/auth/sign-in/email", {"content": b"email=a&password=opensesame&x=1"}, "opensesame"),
    ("/auth/sign-in/email", {"content": b"authorization: Bearer opensesame"}, "opensesame"),
    ("/auth/api-keys/verify", {"content": f"<key>{LIVE_KEY}</key>".encode()}, LIVE_KEY),
    ("/auth/sign-in/email", {"json": {"apikey": "opensesame"}}, "opensesame"),
    ("/auth/sign-in/email", {"json": {"password": {"value": "opensesame"}}}, "opensesame"),
    ("/auth/api-keys", {"json": {"metadata": {"apikey": "opensesame"}}}, "opensesame"),
    ("/auth/api-keys", {"json": {"metadata": {"jwt": ["opensesame"]}}}, "opensesame"),
    ("/missing", {"json": {"anything": "opensesame"}}, "opensesame"),
    ("/auth/sign-in/email", {"content": b'{"password": "a\\" opensesame", '}, "opensesame"),
    ("/auth/sign-in/email", {"content": b"pass%77ord=open opensesame"}, "opensesame"),
    ("/auth/sign-in/email", {"content": b"<password>opensesame</password>"}, "opensesame"),
    ("/auth/whoami", {"headers": {"X-Apikey": "opensesame"}}, "opensesame"),
    ("/auth/whoami", {"headers": {"Referer": "http://x/?token=opensesame"}}, "opensesame"),
    ("/auth/whoami", {"headers": {"Origin": "http://user:opensesame@x"}}, "opensesame"),
    ("/auth/whoami?apikey=opensesame", {}, "opensesame"),
    ("/auth/whoami?x=Basic+opensesame", {}, "opensesame"),
]


@pytest.mark.parametrize(
    ("path", "more", "secret"), SECRETS, ids=[str(number) for number in range(len(SECRETS))]
)
def test_no_secret_is_shown(world: Sandbox, path: str, more: dict[str, Any], secret: str) -> None:
    method = "POST" if {"json", "content"} & set(more) else "GET"
    url = world.facts["base_url"] + path
    world.client.request(method, url, **more)
    shown = world.control("GET", "/requests").text
    assert len(json.loads(shown)["requests"]) == 1
    assert secret not in shown
    # Not in another way of writing it either.
    assert secret[:40] not in shown


def test_what_is_no_secret_is_shown(world: Sandbox) -> None:
    headers = {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324", **world.key}
    body = world.body(name="A key with a name", metadata={"plan": "pro"})
    world.call("POST", "/auth/api-keys", body, headers)
    world.call("GET", f"/auth/api-keys?limit=7&env_id={world.facts['env_id']}")
    first, second = world.requests()
    assert first["body"] == body
    assert first["headers"]["idempotency-key"] == headers["Idempotency-Key"]
    assert second["query"] == f"limit=7&env_id={world.facts['env_id']}"


def test_cursors_are_shown(world: Sandbox) -> None:
    page = world.call("GET", "/auth/api-keys?limit=1").json()
    world.do("DELETE", "/requests")
    answer = world.call("GET", f"/auth/api-keys?limit=1&cursor={page['cursor']}")
    assert answer.status_code == 200
    assert recorded(world)["query"] == f"limit=1&cursor={page['cursor']}"


def test_the_last_thousand_requests_are_kept(world: Sandbox) -> None:
    for _ in range(1_010):
        world.client.get(world.facts["base_url"] + "/missing")
    found = world.requests()
    assert [found[0]["number"], found[-1]["number"], len(found)] == [11, 1_010, 1_000]


def test_large_bodies_are_kept_up_to_16_megabytes() -> None:
    with sandbox(HOOKSTREAM_MAX_BODY_BYTES="4000000") as world:
        url = world.facts["base_url"] + "/auth/api-keys"
        for _ in range(6):
            world.client.post(url, content=b"x" * 3_000_000, headers=JSON)
        assert [each["number"] for each in world.requests()] == [2, 3, 4, 5, 6]


def test_a_body_that_is_too_large_is_recorded_up_to_the_limit(world: Sandbox) -> None:
    answer: httpx.Response = world.call(
        "POST", "/auth/api-keys", headers={**world.key, **JSON}, content=b" " * 1_000_000
    )
    assert answer.status_code == 413
    found = recorded(world)
    assert found["status"] == 413
    assert not found["valid"]
    assert found["body"] == "[65536 bytes that are not valid JSON]"
    assert found["problems"] == [{"location": "body", "message": "is larger than 65536 bytes"}]
