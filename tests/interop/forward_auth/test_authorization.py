"""Proxies with the configuration files of the docs, in front of a protected service."""

import re

import pytest
from interop.forward_auth.protected import PREFLIGHT, Protected, environ


def test_a_valid_key_passes_and_the_service_learns_its_identity(protected: Protected) -> None:
    created = protected.create(scopes="events:*")
    for headers in (
        {"X-API-Key": created["key"]},
        {"Authorization": f"Bearer {created['key']}"},
    ):
        seen = environ(protected.ask(headers))
        assert seen["HTTP_X_KEY_ID"] == created["id"]
        assert seen["HTTP_X_ORG_ID"] == protected.tenant.org_id
        assert seen["HTTP_X_ENV_ID"] == protected.tenant.env_id
        assert seen["HTTP_X_SCOPES"] == "events:*"


def test_the_service_does_not_get_the_key(protected: Protected) -> None:
    created = protected.create()
    assert created["key"] not in protected.ask({"X-API-Key": created["key"]}).text
    assert created["key"] not in protected.ask({"Authorization": f"Bearer {created['key']}"}).text


def test_a_client_cannot_set_identity_headers(protected: Protected) -> None:
    created = protected.create()
    lies = {"X-Key-Id": "ak_me", "X-Org-Id": "org_me", "X-Env-Id": "env_me", "X-Scopes": "*:*"}
    answer = protected.ask({"X-API-Key": created["key"], **lies})
    assert environ(answer)["HTTP_X_KEY_ID"] == created["id"]
    assert not re.search("_me|\\*:\\*", answer.text)


def test_a_post_passes_with_its_body(protected: Protected) -> None:
    created = protected.create()
    answer = protected.ask({"X-API-Key": created["key"]}, "POST", "x" * 100_000)
    assert environ(answer)["CONTENT_LENGTH"] == "100000"


@pytest.mark.parametrize(
    "headers", [{}, {"X-API-Key": "nonsense"}, {"Authorization": "Bearer nonsense"}]
)
def test_401_without_a_valid_key(protected: Protected, headers: dict[str, str]) -> None:
    assert protected.ask(headers).status_code == 401


def test_401_from_the_moment_that_a_key_is_revoked(protected: Protected) -> None:
    for _ in range(5):
        created = protected.create()
        key = {"X-API-Key": created["key"]}
        assert protected.ask(key).status_code == 200
        protected.server.request("POST", "/auth/api-keys/revoke", json={"key": created["key"]})
        assert [protected.ask(key).status_code for _ in range(4)] == [401] * 4


def test_403_without_the_scope(protected: Protected) -> None:
    created = protected.create(scopes="events:write")
    assert protected.ask({"X-API-Key": created["key"]}).status_code == 403


def test_429_when_the_key_is_used_more_often_than_it_may_be(protected: Protected) -> None:
    created = protected.create(rate_limit={"requests": 3, "window_seconds": 3600})
    key = {"X-API-Key": created["key"]}
    assert [protected.ask(key).status_code for _ in range(3)] == [200] * 3
    for method in ("GET", "POST"):
        answer = protected.ask(key, method, "x" if method == "POST" else "")
        assert answer.status_code == 429
        assert 1190 <= int(answer.headers["retry-after"]) <= 1200
    # Others are not touched.
    assert protected.ask({"X-API-Key": protected.create()["key"]}).status_code == 200


def test_the_address_is_the_clients(protected: Protected) -> None:
    elsewhere = protected.create(allowed_ips=["192.0.2.0/24"])
    here = protected.create(allowed_ips=["127.0.0.1"])
    assert protected.ask({"X-API-Key": here["key"]}).status_code == 200
    assert protected.ask({"X-API-Key": elsewhere["key"]}).status_code == 401
    # The client's own headers are replaced by the proxy's.
    lie = {"X-Forwarded-For": "192.0.2.7"}
    assert protected.ask({"X-API-Key": elsewhere["key"], **lie}).status_code == 401


def test_a_preflight_passes_without_a_key_and_without_an_identity(protected: Protected) -> None:
    seen = environ(protected.ask(PREFLIGHT, "OPTIONS"))
    assert seen["REQUEST_METHOD"] == "OPTIONS"
    assert seen["HTTP_ORIGIN"] == PREFLIGHT["Origin"]
    assert seen["HTTP_ACCESS_CONTROL_REQUEST_METHOD"] == "POST"
    assert "HTTP_X_KEY_ID" not in seen
    # A key with it is not verified, and not passed on.
    seen = environ(protected.ask({**PREFLIGHT, "X-API-Key": protected.create()["key"]}, "OPTIONS"))
    assert "HTTP_X_KEY_ID" not in seen
    assert "HTTP_X_API_KEY" not in seen


def test_only_a_preflight_passes_without_a_key(protected: Protected) -> None:
    for method, left_out in (
        *((method, "") for method in ("GET", "POST", "HEAD", "DELETE", "TRACE", "OPTION")),
        *(("OPTIONS", name) for name in PREFLIGHT),
    ):
        sent = {name: value for name, value in PREFLIGHT.items() if name != left_out}
        assert protected.ask(sent, method).status_code in {400, 401, 405}, (method, left_out)
    for name in PREFLIGHT:
        assert protected.ask({**PREFLIGHT, name: ""}, "OPTIONS").status_code == 401
