"""CORS: what a browser is told about pages of other origins."""

import httpx
import pytest
from support import Server, Tenant, cookie

from hookstream_keys.contract import spec
from hookstream_keys.http.cors import REQUEST_FIELDS, RESPONSE_FIELDS

TRUSTED, OTHER = "https://console.example.com", "http://[::1]:3000"
UNTRUSTED = [
    "https://evil.example",
    "null",
    "*",
    "",
    "http://console.example.com",
    "https://console.example.com:8443",
    "https://console.example.com:80",
    "http://console.example.com:443",
    "https://console.example.com.evil.example",
    "https://sub.console.example.com",
    "https://CONSOLE.example.com",
    f"{TRUSTED}, {OTHER}",
    f"{TRUSTED}/",
]
PATHS = [
    "/auth/sign-in/email",
    "/auth/api-keys",
    "/auth/api-keys/ak_0",
    "/organizations",
    "/health",
]

pytestmark = [
    pytest.mark.server(
        HOOKSTREAM_TRUSTED_ORIGINS=f"{TRUSTED},{OTHER}", HOOKSTREAM_RATE_LIMIT="600"
    ),
    pytest.mark.not_in_sandbox(reason="it has no trusted origins"),
]


def preflight(server: Server, path: str, origin: str, method: str = "POST") -> httpx.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type,x-api-key",
    }
    return server.request("OPTIONS", path, headers=headers)


def permissions(answer: httpx.Response) -> dict[str, str]:
    return {
        name: value for name, value in answer.headers.items() if name.startswith("access-control-")
    }


@pytest.mark.parametrize("origin", [TRUSTED, OTHER])
@pytest.mark.parametrize("path", PATHS)
def test_204_to_a_preflight_request_of_a_trusted_origin(
    server: Server, path: str, origin: str
) -> None:
    answer = preflight(server, path, origin)
    assert answer.status_code == 204
    assert answer.content == b""
    assert answer.headers["vary"] == "Origin"
    assert permissions(answer) == {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": answer.headers["allow"],
        "access-control-allow-headers": ", ".join(REQUEST_FIELDS),
        "access-control-expose-headers": ", ".join(RESPONSE_FIELDS),
        "access-control-max-age": "600",
    }


@pytest.mark.parametrize("origin", UNTRUSTED)
def test_an_untrusted_origin_gets_no_permission(
    server: Server, tenant: Tenant, origin: str
) -> None:
    answers = [preflight(server, path, origin) for path in PATHS]
    headers = {"Origin": origin, "X-API-Key": tenant.key}
    for method, path in (("GET", "/auth/whoami"), ("POST", "/auth/api-keys"), ("GET", "/nope")):
        answers.append(server.request(method, path, headers=headers))
    for answer in answers:
        assert permissions(answer) == {}
        assert answer.headers["vary"] == "Origin"


def test_every_response_to_a_trusted_origin_can_be_read(server: Server, tenant: Tenant) -> None:
    session = {"Cookie": cookie(server.database.add_session(tenant.user_id))}
    key = {"X-API-Key": tenant.key}
    tries = [
        ("GET", "/auth/whoami", key, 200),
        ("GET", "/organizations", session, 200),
        ("POST", "/organizations", session, 415),
        ("GET", "/auth/whoami", {}, 401),
        ("GET", "/auth/api-keys/ak_0", key, 404),
        ("GET", "/nope", {}, 404),
        ("PUT", "/health", {}, 405),
        ("OPTIONS", "/nope", {}, 404),
        ("OPTIONS", "/health", {}, 204),
        ("GET", "/openapi.json", {}, 200),
    ]
    for method, path, headers, status in tries:
        content = b"x" if status == 415 else None
        sent = {**headers, "Origin": TRUSTED}
        answer = server.request(method, path, headers=sent, content=content)
        assert answer.status_code == status, (method, path)
        assert permissions(answer) == {
            "access-control-allow-origin": TRUSTED,
            "access-control-allow-credentials": "true",
            "access-control-expose-headers": ", ".join(RESPONSE_FIELDS),
        }
        assert answer.headers["vary"] == "Origin"


def test_a_default_port_makes_no_other_origin(server: Server) -> None:
    # As for CSRF. What a proxy adds, the page's browser does not know.
    with_port = f"{TRUSTED}:443"
    for answer in (
        preflight(server, "/organizations", with_port),
        server.request("GET", "/health", headers={"Origin": with_port}),
    ):
        assert permissions(answer)["access-control-allow-origin"] == TRUSTED


def test_a_response_without_an_origin_says_that_it_may_differ(server: Server) -> None:
    answer = server.request("GET", "/health")
    assert permissions(answer) == {}
    assert answer.headers["vary"] == "Origin"


def test_a_preflight_request_is_answered_to_an_address_that_has_used_up_its_limit(
    server: Server,
) -> None:
    wrong = {"X-API-Key": "x"}
    statuses = {server.request("GET", "/auth/whoami", headers=wrong).status_code for _ in range(80)}
    assert 429 in statuses
    # Of the limit, less is left than a refused credential costs.
    of_others = {
        preflight(server, "/organizations", "https://evil.example").status_code for _ in range(30)
    }
    assert 429 in of_others
    of_page = {preflight(server, "/organizations", TRUSTED).status_code for _ in range(30)}
    assert of_page == {204}
    # A page reads why it is refused.
    answer = server.request("GET", "/auth/whoami", headers={**wrong, "Origin": TRUSTED})
    assert answer.status_code in (401, 429)
    assert permissions(answer)["access-control-allow-origin"] == TRUSTED


def test_pages_may_send_and_read_what_the_document_describes() -> None:
    document = spec.document()
    parts = document["components"]
    sent = {each["name"] for each in parts["parameters"].values() if each["in"] == "header"}
    assert sent | {"X-API-Key", "Authorization"} <= set(REQUEST_FIELDS)
    named = {
        name.lower()
        for item in document["paths"].values()
        for method in spec.METHODS
        for answer in item.get(method, {}).get("responses", {}).values()
        for name in answer.get("headers", {})
    } | {name.lower() for answer in parts["responses"].values() for name in answer["headers"]}
    # A browser keeps the first from pages, lets all pages read the second, and uses the others.
    own = {"set-cookie", "cache-control", "content-security-policy", "referrer-policy", "location"}
    # These are for reverse proxies.
    identity = {"x-key-id", "x-org-id", "x-env-id", "x-scopes"}
    read = {name.lower() for name in RESPONSE_FIELDS} - {"x-key-expires-at"}
    assert named - own - identity == read
