"""Every guard in a real application of its framework, with keys of the real server."""

import json
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import pytest
from kit.client.faulty_proxy import Fault, FaultyProxy, Status
from kit.client.guarded_apps import (
    ADDRESS,
    Application,
    Setting,
    fastapi_app,
    flask_app,
    starlette_app,
)
from kit.client.guarded_django import django_app
from support import SOON, Server, Tenant, iso

from hookstream_keys_client import Client
from hookstream_keys_client.guards import Rules

APPLICATIONS = {
    "django": django_app,
    "fastapi": fastapi_app,
    "flask": flask_app,
    "starlette": starlette_app,
}
Make = Callable[[Setting], AbstractContextManager[Application]]

INVALID_TOKEN = 'Bearer realm="api", error="invalid_token"'


@pytest.fixture(params=APPLICATIONS)
def make(request: pytest.FixtureRequest) -> Make:
    """Make an application of one framework."""
    return APPLICATIONS[str(request.param)]


@pytest.fixture
def get(make: Make, server: Server, tenant: Tenant) -> Iterator[Application]:
    """An application whose guard asks the module's server."""
    with make(Setting(server.url, tenant.key)) as application:
        yield application


@pytest.fixture
def unsteady_get(make: Make, proxy: FaultyProxy, tenant: Tenant) -> Iterator[Application]:
    """An application whose guard asks the server through the faulty proxy."""
    proxy.fail_next()
    with make(Setting(proxy.url, tenant.key)) as application:
        yield application


class Keys:
    """Issues keys for a test."""

    def __init__(self, server: Server, tenant: Tenant, admin: Client) -> None:
        self.server = server
        self.tenant = tenant
        self.admin = admin

    def new(self, scopes: str = "events:read", **fields: Any) -> str:
        tenant = self.tenant
        created = self.admin.create_api_key(
            name="Caller", org_id=tenant.org_id, env_id=tenant.env_id, scopes=scopes, **fields
        )
        self.key_id = created["id"]
        return created["key"]

    def of_code(self, code: str) -> str:
        """A key that the service answers with this code."""
        match code:
            case "MALFORMED":
                return "not-a-key"
            case "NOT_FOUND":
                # Of another environment, which the guard's key cannot see.
                other = self.server.database.add_environment(self.tenant.org_id)
                with Setting(self.server.url, self.session()).client() as owner:
                    created = owner.create_api_key(
                        name="Other", org_id=self.tenant.org_id, env_id=other
                    )
                return created["key"]
            case "INSUFFICIENT_SCOPE":
                return self.new(scopes="events:write orders:*")
            case "IP_NOT_ALLOWED":
                return self.new(allowed_ips=["203.0.113.0/24"])
            case "RATE_LIMITED":
                key = self.new(rate_limit={"requests": 1, "window_seconds": 3600})
                assert self.admin.verify_api_key(key=key)["valid"]
                return key
        key = self.new()
        match code:
            case "REVOKED":
                self.admin.revoke_api_key(self.key_id)
            case "DISABLED":
                self.admin.update_api_key(self.key_id, enabled=False)
            case "EXPIRED":
                past = (iso(datetime(2026, 1, 1, tzinfo=UTC)), self.key_id)
                self.server.database.execute("update api_key set expires_at = ? where id = ?", past)
        found = self.admin.verify_api_key(key=key, scopes="events:read", ip=ADDRESS)
        assert found["code"] == code
        return key

    def session(self) -> str:
        return self.server.database.add_session(self.tenant.user_id)


@pytest.fixture
def keys(server: Server, tenant: Tenant) -> Iterator[Keys]:
    with Setting(server.url, tenant.key).client() as admin:
        yield Keys(server, tenant, admin)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    "headers",
    [
        bearer,
        lambda key: {"X-API-Key": key},
        lambda key: {"authorization": f"bearer  {key}", "x-api-key": key},
    ],
    ids=["bearer", "x-api-key", "both"],
)
def test_a_valid_key_passes_and_the_view_gets_its_metadata(
    get: Application, keys: Keys, tenant: Tenant, headers: Callable[[str], dict[str, str]]
) -> None:
    key = keys.new("events:* orders:read", metadata={"plan": "pro"}, external_id="customer-7")
    answer = get("/events", headers(key))
    assert answer.status_code == 200
    assert answer.json() == {
        "key_id": keys.key_id,
        "org_id": tenant.org_id,
        "env_id": tenant.env_id,
        "name": "Caller",
        "key_prefix": key[:12],
        "scopes": "events:* orders:read",
        "expires_at": None,
        "metadata": {"plan": "pro"},
        "external_id": "customer-7",
        "rate_limit_headers": {},
    }
    assert "RateLimit-Limit" not in answer.headers


@pytest.mark.parametrize(
    "code", ["MALFORMED", "NOT_FOUND", "REVOKED", "DISABLED", "EXPIRED", "IP_NOT_ALLOWED"]
)
def test_a_key_that_is_not_valid_is_401_without_a_reason(
    get: Application, keys: Keys, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    key = keys.of_code(code)
    with caplog.at_level(logging.INFO, "hookstream_keys_client"):
        answer = get("/events", bearer(key))
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == INVALID_TOKEN
    message = "The key is not valid: unknown, revoked, disabled, expired or not allowed here."
    assert answer.json().get("detail", answer.json().get("error")) == message
    # The operator learns the reason, and no secret.
    assert f"code={code} " in caplog.text
    assert key not in caplog.text
    assert get.calls == []


def test_a_key_that_does_not_cover_the_scope_is_403(get: Application, keys: Keys) -> None:
    key = keys.of_code("INSUFFICIENT_SCOPE")
    answer = get("/events", bearer(key))
    assert answer.status_code == 403
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="api", error="insufficient_scope", scope="events:read"'
    )
    assert get.calls == []
    assert get("/any", bearer(key)).status_code == 200


def test_a_key_over_its_limit_is_429_with_the_limits_headers(get: Application, keys: Keys) -> None:
    key = keys.new(rate_limit={"requests": 2, "window_seconds": 3600})
    first, second, third = (get("/events", bearer(key)) for _ in range(3))
    assert [first.status_code, second.status_code, third.status_code] == [200, 200, 429]
    left = [each.headers["RateLimit-Remaining"] for each in (first, second, third)]
    assert left == ["1", "0", "0"]
    assert {each.headers["RateLimit-Limit"] for each in (first, second, third)} == {"2"}
    assert 0 < int(third.headers["Retry-After"]) <= 1800
    assert 0 < int(third.headers["RateLimit-Reset"]) <= 3600
    assert len(get.calls) == 2


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer "}, {"X-API-Key": ""}],
    ids=["none", "basic", "empty bearer", "empty header"],
)
def test_a_request_without_a_key_is_401_without_an_error_code(
    get: Application, headers: dict[str, str]
) -> None:
    for path in ("/events", "/any"):
        answer = get(path, headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert get.calls == []


def test_two_different_keys_are_400(get: Application, keys: Keys) -> None:
    key = keys.new()
    answer = get("/events", bearer(key) | {"X-API-Key": "another"})
    assert answer.status_code == 400
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_request"'
    assert get.calls == []


@pytest.mark.parametrize("key", ["x" * 513, "ä" * 20, "a b c", '{"key": 1}', "\x7f\x01"])
def test_odd_keys_are_401(get: Application, key: str) -> None:
    # As a client sends it: in UTF-8, which the frameworks read as ISO 8859-1.
    answer = get(
        "/any",
        bearer(key.encode().decode("latin-1"))
        if key.isascii()
        else {"X-API-Key": key.encode().decode("latin-1")},
    )
    assert answer.status_code == 401
    assert get.calls == []


def test_the_callers_address_counts_and_forwarded_headers_do_not(
    get: Application, keys: Keys
) -> None:
    key = keys.new(allowed_ips=["203.0.113.0/24", "2001:db8::/32"])
    for address in ("203.0.113.9", "::ffff:203.0.113.9", "2001:db8::1", "2001:db8::1%eth0"):
        assert get("/events", bearer(key), address).status_code == 200, address
    for address in (ADDRESS, "2001:db9::1", "unix:", "testclient", "203.0.113.9, 1.2.3.4", ""):
        assert get("/events", bearer(key), address).status_code == 401, address
    forged = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    assert get("/events", bearer(key) | forged).status_code == 401
    # A key that is not bound to networks needs no address.
    assert get("/events", bearer(keys.new()), "unix:").status_code == 200


def test_an_application_may_say_where_the_address_stands(
    make: Make, server: Server, tenant: Tenant, keys: Keys
) -> None:
    key = keys.new(allowed_ips=["203.0.113.9"])
    hook = lambda headers: headers.get("X-Real-IP")  # noqa: E731 - a hook is often that short
    with make(Setting(server.url, tenant.key, address=hook)) as get:
        assert get("/events", bearer(key) | {"X-Real-IP": "203.0.113.9"}).status_code == 200
        assert get("/events", bearer(key), "203.0.113.9").status_code == 401


def test_an_environment_and_sources_can_be_required(
    make: Make, server: Server, tenant: Tenant, keys: Keys
) -> None:
    key, session = keys.new(), keys.session()
    with make(Setting(server.url, session, Rules(env_id=tenant.env_id))) as get:
        assert get("/events", bearer(key)).status_code == 200
    other = server.database.add_environment(tenant.org_id)
    with make(Setting(server.url, session, Rules(env_id=other))) as get:
        assert get("/events", bearer(key)).status_code == 401
    only = Rules(realm="events", sources=("x-api-key",))
    with make(Setting(server.url, tenant.key, only)) as get:
        # The token may be for another guard.
        token = bearer("eyJhbGciOiJub25lIn0.e30.")
        assert get("/events", token | {"X-API-Key": key}).status_code == 200
        answer = get("/events", bearer(key))
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="events"'
        assert "Authorization" not in answer.text


def test_a_service_that_is_down_lets_nothing_through(
    make: Make, tenant: Tenant, keys: Keys, free_port: int
) -> None:
    with make(Setting(f"http://127.0.0.1:{free_port}/v1", tenant.key)) as get:
        answer = get("/events", bearer(keys.new()))
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
        assert "WWW-Authenticate" not in answer.headers
        assert get.calls == []


VALID = b'{"valid": true, "code": "VALID"'
#: What is put into the members of a limit: a header field that a client of ours must not get.
TEXTS = (b'"soon"', rb'"1\r\nX-Evil: 1"', b"{}", b"[7]")
LIMITED = (
    b'{"valid": false, "code": "RATE_LIMITED", "api_key": {"rate_limit": {"requests": %s}},'
    b' "rate_limit": {"remaining": 0, "reset_seconds": %s, "retry_after_seconds": %s}}'
)
VERIFIED: dict[str, Any] = {
    "id": "ak_1",
    "org_id": "org_1",
    "env_id": "env_1",
    "name": "n",
    "key_prefix": "hs_test_0123",
    "scopes": "*",
    "expires_at": None,
    "metadata": {},
    "external_id": None,
}


def of_another_form(member: str) -> bytes:
    """A verification whose key has a member of another type."""
    body = {"valid": True, "code": "VALID", "api_key": VERIFIED | {member: [{}]}}
    return json.dumps(body).encode()


FAULTS: dict[str, tuple[Fault, int, str]] = {
    "overloaded": (Status(503, b'{"error": "", "code": "unavailable"}', "7"), 503, "7"),
    "overloaded for long": (Status(503, retry_after="90"), 503, "90"),
    "limited": (Status(429, retry_after="8"), 503, "8"),
    "a defect": (Status(500), 503, "1"),
    "a proxy's error": (Status(502), 503, "1"),
    "no connection": ("drop", 503, "1"),
    "lost": ("lose", 503, "1"),
    "broken off": ("truncate", 503, "1"),
    "garbled": ("garble", 503, "1"),
    "a redirect": (Status(302), 503, "1"),
    "refused": (Status(401), 503, "1"),
    "forbidden": (Status(403), 503, "1"),
    "not found": (Status(404), 503, "1"),
    "invalid": (Status(400), 503, "1"),
    "empty": (Status(200, b""), 503, "1"),
    "no object": (Status(200, b"true"), 503, "1"),
    "an empty object": (Status(200, b"{}"), 503, "1"),
    "no code": (Status(200, b'{"valid": true}'), 503, "1"),
    "valid without a key": (Status(200, VALID + b"}"), 503, "1"),
    "valid with half a key": (Status(200, VALID + b', "api_key": {"id": "ak_1"}}'), 503, "1"),
    "valid with null": (Status(200, VALID + b', "api_key": null}'), 503, "1"),
    "not valid by its word": (Status(200, b'{"valid": "yes", "code": "VALID"}'), 503, "1"),
    "code and word differ": (Status(200, b'{"valid": false, "code": "VALID"}'), 503, "1"),
    "word and code differ": (Status(200, b'{"valid": true, "code": "REVOKED"}'), 401, ""),
    "not valid, with odd members": (
        Status(200, b'{"valid": false, "code": "REVOKED", "api_key": null, "rate_limit": 3}'),
        401,
        "",
    ),
    "limited, with odd members": (
        Status(200, b'{"valid": false, "code": "RATE_LIMITED", "api_key": {"rate_limit": []}}'),
        429,
        "1",
    ),
    "nested too deep": (Status(200, b"[" * 100_000), 503, "1"),
    "an error nested too deep": (Status(401, b"[" * 100_000), 503, "1"),
    "digits without an end": (Status(200, b"1" * 10_000), 503, "1"),
    "an endless wait": (Status(503, retry_after="9" * 400), 503, "86400"),
    "a date that cannot be": (
        Status(503, retry_after=f"Thu, 01 Jan 2026 00:00:07 +{'9' * 40}"),
        503,
        "1",
    ),
    **{
        f"limited, and retry after {text!r}": (
            Status(200, LIMITED % (text, text, text)),
            429,
            text.decode() if text == b"7" else "1",
        )
        for text in (b"7", b"null", b"-1", b"1.5", b"true", b"NaN", b"1e999", b"9" * 400, *TEXTS)
    },
    **{
        f"valid with a {member} that is none": (Status(200, of_another_form(member)), 503, "1")
        for member in VERIFIED
    },
    "a code that is none": (Status(200, b'{"valid": false, "code": ["REVOKED"]}'), 503, "1"),
    "a code of later": (Status(200, b'{"valid": false, "code": "QUOTA_USED_UP"}'), 403, ""),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_service_that_answers_oddly_lets_nothing_through(
    unsteady_get: Application, proxy: FaultyProxy, keys: Keys, case: str
) -> None:
    fault, status, retry_after = FAULTS[case]
    key = keys.new()
    # As often as the guard tries.
    proxy.fail_next(*[fault] * (1 + Rules().retries.count))
    begun = time.monotonic()
    answer = unsteady_get("/events", bearer(key))
    assert time.monotonic() - begun < SOON
    assert answer.status_code == status
    assert answer.headers.get("Retry-After", "") == retry_after
    assert "X-Evil" not in answer.headers
    limits = [text for name, text in answer.headers.items() if name.lower().startswith("ratelimit")]
    assert all(text.isdigit() for text in limits)
    assert unsteady_get.calls == []
    proxy.fail_next()
    assert unsteady_get("/events", bearer(key)).status_code == 200


@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_guard_sends_no_key_to_another_host_and_trusts_none(
    unsteady_get: Application, proxy: FaultyProxy, elsewhere: FaultyProxy, keys: Keys, status: int
) -> None:
    # That host is a real service: it would say that the key is valid.
    redirect = Status(status, location=f"{elsewhere.url}/auth/api-keys/verify")
    proxy.fail_next(*[redirect] * 2)
    assert unsteady_get("/events", bearer(keys.new())).status_code == 503
    assert elsewhere.seen == []
    assert unsteady_get.calls == []


BUSY = b'{"error": "busy", "code": "unavailable"}'


@pytest.mark.parametrize(
    "fault",
    [
        "drop",
        "lose",
        "truncate",
        "garble",
        Status(502),
        Status(503),
        Status(504),
        Status(503, BUSY, "0"),
        Status(429, BUSY, "0"),
    ],
)
def test_a_verification_is_retried_once(
    unsteady_get: Application, proxy: FaultyProxy, keys: Keys, fault: Fault
) -> None:
    key = keys.new()
    proxy.fail_next(fault)
    assert unsteady_get("/events", bearer(key)).status_code == 200
    assert len(proxy.seen) == 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_time_to_retry_is_passed_on_and_not_waited_for(
    unsteady_get: Application, proxy: FaultyProxy, keys: Keys, status: int
) -> None:
    key = keys.new()
    proxy.fail_next(Status(status, BUSY, "1"))
    answer = unsteady_get("/events", bearer(key))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert len(proxy.seen) == 1


def test_a_service_that_hangs_is_waited_for_until_the_deadline(
    make: Make, tenant: Tenant, silent_port: int
) -> None:
    url = f"http://127.0.0.1:{silent_port}/v1"
    # Each with the client's timeout of 5 seconds, and one retry.
    for deadline in (0.2, 1.0):
        with make(Setting(url, tenant.key, Rules(deadline=deadline))) as get:
            begun = time.monotonic()
            assert get("/events", bearer("x")).status_code == 503
            assert deadline <= time.monotonic() - begun < SOON
            assert get.calls == []


def test_a_shorter_timeout_of_the_client_leaves_time_for_the_retry(
    make: Make, proxy: FaultyProxy, keys: Keys, tenant: Tenant
) -> None:
    key = keys.new()
    with make(Setting(proxy.url, tenant.key, timeout=0.5)) as get:
        proxy.fail_next("hang")
        assert get("/events", bearer(key)).status_code == 200
        assert len(proxy.seen) == 2


@pytest.mark.parametrize("fault", ["slow head", "slow body"])
def test_a_service_that_sends_a_byte_now_and_then_is_not_waited_for(
    make: Make, proxy: FaultyProxy, keys: Keys, tenant: Tenant, fault: Fault
) -> None:
    key = keys.new()
    with make(Setting(proxy.url, tenant.key, Rules(deadline=0.5))) as get:
        proxy.fail_next(fault)
        begun = time.monotonic()
        assert get("/events", bearer(key)).status_code == 503
        assert 0.5 <= time.monotonic() - begun < SOON
        assert get.calls == []
        # A connection that is slow blocks no other.
        assert get("/events", bearer(key)).status_code == 200


def test_a_guard_whose_own_key_is_refused_says_so_in_the_log(
    make: Make, server: Server, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    narrow = keys.new("events:read")
    for own in (narrow, "hs_live_wrong", None):
        caplog.clear()
        with make(Setting(server.url, own)) as get:
            answer = get("/events", bearer(keys.new()))
        assert answer.status_code == 503
        assert get.calls == []
        # Django logs each 503 as well.
        ours = [each for each in caplog.records if each.name == "hookstream_keys_client.guards"]
        (record,) = (each for each in ours if each.levelno == logging.ERROR)
        assert "refuses to verify keys for this guard: 40" in record.getMessage()
        assert narrow not in caplog.text


def test_many_requests_at_once_get_each_their_own_answer(get: Application, keys: Keys) -> None:
    # One after the other here; what is shared between them is the guard and its client.
    valid = {keys.new(metadata={"n": str(n)}): str(n) for n in range(4)}
    for key, number in [*valid.items()] * 2:
        assert get("/events", bearer(key)).json()["metadata"] == {"n": number}
        assert get("/events", bearer(secrets.token_hex(36))).status_code == 401
