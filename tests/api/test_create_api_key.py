"""POST /auth/api-keys, a test for everything that it answers."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from support import (
    SECRET,
    Database,
    Server,
    Tenant,
    assert_error,
    cookie,
    serving,
    signed,
    told,
)

Create = Callable[..., httpx.Response]

SIX_FIELDS = {"id", "name", "key", "key_prefix", "scopes", "created_at"}


def session_of_owner(server: Server, tenant: Tenant) -> str:
    return server.database.add_session(tenant.user_id)


def same_origin(server: Server, token: str) -> dict[str, str]:
    return {"Cookie": cookie(token), "Origin": server.origin}


# 201


@pytest.mark.not_in_sandbox(reason="all environments of a sandbox are in test mode")
def test_201_has_the_six_fields(create: Create) -> None:
    answer = create()
    assert answer.status_code == 201
    created = answer.json()
    assert set(created) == SIX_FIELDS
    assert re.fullmatch(r"ak_[0-9a-f]{32}", created["id"])
    assert created["name"] == "Production key"
    assert re.fullmatch(r"hs_live_[0-9a-f]{64}", created["key"])
    assert created["key_prefix"] == created["key"][:12]
    assert created["scopes"] == "*"
    moment = datetime.fromisoformat(created["created_at"])
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    assert answer.headers["cache-control"] == "no-store"


def test_201_the_new_key_works(create: Create) -> None:
    key = create().json()["key"]
    assert create(headers={"X-API-Key": key}).status_code == 201


def test_201_with_a_key_as_bearer_token(create: Create, tenant: Tenant) -> None:
    assert create(headers={"Authorization": f"Bearer {tenant.key}"}).status_code == 201
    assert create(headers={"Authorization": f"bearer  {tenant.key}"}).status_code == 201


def test_201_with_a_session_as_bearer_token(create: Create, server: Server, tenant: Tenant) -> None:
    token = session_of_owner(server, tenant)
    assert create(headers={"Authorization": f"Bearer {token}"}).status_code == 201
    assert create(headers={"Authorization": f"Bearer {signed(token)}"}).status_code == 201


@pytest.mark.parametrize(
    "name", ["better-auth.session_token", "__Secure-better-auth.session_token"]
)
def test_201_with_a_session_cookie(
    create: Create, server: Server, tenant: Tenant, name: str
) -> None:
    token = session_of_owner(server, tenant)
    headers = {"Cookie": cookie(token, name=name), "Origin": server.origin}
    assert create(headers=headers).status_code == 201


def test_201_with_a_session_cookie_from_a_page_that_sends_no_origin(
    create: Create, server: Server, tenant: Tenant
) -> None:
    headers = {
        "Cookie": cookie(session_of_owner(server, tenant)),
        "Sec-Fetch-Site": "same-origin",
    }
    assert create(headers=headers).status_code == 201


def test_201_with_a_session_cookie_among_odd_ones(
    create: Create, server: Server, tenant: Tenant
) -> None:
    valid = cookie(session_of_owner(server, tenant))
    for jar in (
        f'a={{"x":1}}; {valid}',
        f"foo; {valid}",
        f"a[b]=1; {valid}",
        f"expires=1; {valid}",
    ):
        headers = {"Cookie": jar, "Origin": server.origin}
        assert create(headers=headers).status_code == 201, jar


def test_201_for_any_member_whatever_the_role(server: Server, create: Create) -> None:
    for role in ("owner", "admin", "member"):
        user = server.database.add_user()
        org = server.database.add_organization()
        env = server.database.add_environment(org)
        server.database.add_member(org, user, role)
        headers = {"Authorization": f"Bearer {server.database.add_session(user)}"}
        assert create(headers=headers, org_id=org, env_id=env).status_code == 201, role


def test_201_with_an_invalid_key_the_session_decides(
    create: Create, server: Server, tenant: Tenant
) -> None:
    headers = same_origin(server, session_of_owner(server, tenant))
    assert create(headers={**headers, "X-API-Key": "nonsense"}).status_code == 201


def test_201_a_valid_key_is_enough_beside_an_invalid_session(
    create: Create, server: Server, tenant: Tenant
) -> None:
    headers = same_origin(server, "no-such-token")
    assert create(headers={**headers, "X-API-Key": tenant.key}).status_code == 201


def test_201_in_a_test_environment_is_a_test_key(
    create: Create, server: Server, tenant: Tenant
) -> None:
    env = server.database.add_environment(tenant.org_id, "test")
    token = session_of_owner(server, tenant)
    created = create(headers={"Authorization": f"Bearer {token}"}, env_id=env).json()
    assert re.fullmatch(r"hs_test_[0-9a-f]{64}", created["key"])
    assert created["key_prefix"] == created["key"][:12]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("*", "*"),
        ("events:read", "events:read"),
        ("events:read,deliveries:*", "events:read deliveries:*"),
        ("events:read, deliveries:*", "events:read deliveries:*"),
        ("events:read events:read", "events:read"),
    ],
)
def test_201_scopes_are_answered_as_one_list(create: Create, sent: str, kept: str) -> None:
    assert create(scopes=sent).json()["scopes"] == kept


def test_201_a_name_may_be_in_any_language(create: Create) -> None:
    assert create(name="Schlüssel für 東京 🔑").json()["name"] == "Schlüssel für 東京 🔑"


def test_201_is_stored_with_its_audit_row_and_without_the_secret(
    create: Create, server: Server, tenant: Tenant
) -> None:
    created = create(name="Stored once").json()
    rows = server.database.execute(
        "select action, resource_type, resource_id, org_id, api_key_id, ip_address, request_id"
        " from audit_log where resource_id = ?",
        (created["id"],),
    )
    assert len(rows) == 1
    action, resource_type, resource_id, org_id, actor, address, request_id = rows[0]
    assert (action, resource_type, resource_id) == ("api_key.created", "api_key", created["id"])
    assert org_id == tenant.org_id
    assert actor is not None
    assert address == "127.0.0.1"
    assert re.fullmatch(r"req_[0-9a-f]{32}", request_id)
    dump = server.database.dump()
    assert created["id"] in dump
    assert created["key"] not in dump
    assert created["key"] not in server.log.read_text(encoding="utf-8")


def test_201_a_narrow_key_may_grant_what_it_has(create: Create) -> None:
    narrow = create(scopes="api-keys:create events:*").json()["key"]
    answer = create(headers={"X-API-Key": narrow}, scopes="events:read")
    assert answer.status_code == 201


def test_201_to_a_chunked_body(server: Server, tenant: Tenant) -> None:
    text = (f'{{"name":"chunked","org_id":"{tenant.org_id}","env_id":"{tenant.env_id}"}}').encode()
    answer = server.raw(
        b"POST /v1/auth/api-keys HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        b"X-API-Key: " + tenant.key.encode() + b"\r\n\r\n"
        b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text)
    )
    assert answer.startswith(b"HTTP/1.1 201 ")


# 400


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"name": ""}, "body/name"),
        ({"name": " x"}, "body/name"),
        ({"name": "x" * 101}, "body/name"),
        ({"name": "a\nb"}, "body/name"),
        ({"name": "ab\n"}, "body/name"),
        ({"name": "a\x00b"}, "body/name"),
        ({"name": "a\x85b"}, "body/name"),
        ({"name": None}, "body/name"),
        ({"name": 7}, "body/name"),
        ({"org_id": ""}, "body/org_id"),
        ({"org_id": "x" * 65}, "body/org_id"),
        ({"org_id": "a/b"}, "body/org_id"),
        ({"env_id": "' or 1=1"}, "body/env_id"),
        ({"env_id": ["x"]}, "body/env_id"),
        ({"scopes": ""}, "body/scopes"),
        ({"scopes": "everything"}, "body/scopes"),
        ({"scopes": "*:read"}, "body/scopes"),
        ({"scopes": "a:b:c"}, "body/scopes"),
        ({"scopes": "a:b\n"}, "body/scopes"),
        ({"scopes": "a:b " * 300 + "a:b"}, "body/scopes"),
        ({"scopes": None}, "body/scopes"),
        ({"colour": "red"}, "body"),
    ],
)
def test_400_names_the_place_and_leaves_nothing_behind(
    create: Create, server: Server, changes: dict[str, Any], location: str
) -> None:
    before = server.database.count("api_key"), server.database.count_changes()
    body = assert_error(create(**changes), 400, "bad_request", location)
    assert body["details"][0]["message"]
    assert (server.database.count("api_key"), server.database.count_changes()) == before


@pytest.mark.parametrize("field", ["name", "org_id", "env_id"])
def test_400_every_required_field(
    server: Server, tenant: Tenant, body: dict[str, Any], field: str
) -> None:
    answer = server.request(
        "POST",
        "/auth/api-keys",
        json={name: value for name, value in body.items() if name != field},
        headers={"X-API-Key": tenant.key},
    )
    assert field in assert_error(answer, 400, "bad_request", "body")["details"][0]["message"]


def test_400_an_unknown_query_parameter(server: Server, tenant: Tenant) -> None:
    answer = server.request(
        "POST", "/auth/api-keys?debug=1", json={}, headers={"X-API-Key": tenant.key}
    )
    assert_error(answer, 400, "bad_request", "query/debug")


# 401


def test_401_without_a_credential(create: Create) -> None:
    answer = create(headers={})
    assert_error(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer realm="hookstream"'


def _one_digit_off(key: str) -> str:
    return key[:-1] + ("0" if key[-1] != "0" else "1")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": "nonsense"},
        {"X-API-Key": "hs_" + "live_" + "0" * 64},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic Zm9vOmJhcg=="},
        {"Authorization": "Bearer a.b"},
        {"Cookie": "better-auth.session_token=nonsense"},
        {"Cookie": "better-auth.session_token=."},
    ],
)
def test_401_to_an_invalid_credential(create: Create, headers: dict[str, str]) -> None:
    answer = create(headers=headers)
    assert_error(answer, 401, "unauthorized")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_401_to_a_key_with_a_typing_error(create: Create, tenant: Tenant) -> None:
    assert_error(create(headers={"X-API-Key": _one_digit_off(tenant.key)}), 401, "unauthorized")


def test_401_to_a_revoked_key(create: Create, server: Server) -> None:
    created = create().json()
    server.database.revoke(created["key_prefix"])
    assert_error(create(headers={"X-API-Key": created["key"]}), 401, "unauthorized")
    assert_error(create(headers={"Authorization": f"Bearer {created['key']}"}), 401, "unauthorized")


def test_401_to_an_expired_session(create: Create, server: Server, tenant: Tenant) -> None:
    token = server.database.add_session(tenant.user_id, timedelta(seconds=-1))
    assert_error(create(headers=same_origin(server, token)), 401, "unauthorized")
    assert_error(create(headers={"Authorization": f"Bearer {token}"}), 401, "unauthorized")


def test_401_to_a_session_that_was_tampered_with(
    create: Create, server: Server, tenant: Tenant
) -> None:
    token = session_of_owner(server, tenant)
    other = session_of_owner(server, tenant)
    signature = signed(other).rpartition(".")[2]
    for value in (token, f"{token}.", f"{token}.{signature}", signed(token, SECRET + "x")):
        headers = {"Cookie": f"better-auth.session_token={value}", "Origin": server.origin}
        assert_error(create(headers=headers), 401, "unauthorized")
    for value in (f"{token}.{signature}", signed(token, SECRET + "x")):
        headers = {"Authorization": f"Bearer {value}"}
        assert_error(create(headers=headers), 401, "unauthorized")


def test_401_to_the_session_of_a_deleted_user(server: Server, create: Create) -> None:
    user = server.database.add_user()
    token = server.database.add_session(user)
    server.database.execute('delete from "session" where "userId" = ?', (user,))
    assert_error(create(headers={"Authorization": f"Bearer {token}"}), 401, "unauthorized")


# 403


def test_403_without_the_scope(create: Create) -> None:
    narrow = create(scopes="api-keys:read events:*").json()["key"]
    answer = create(headers={"X-API-Key": narrow}, scopes="events:read")
    assert "api-keys:create" in assert_error(answer, 403, "insufficient_scope")["error"]


@pytest.mark.parametrize("scopes", ["*", "events:*", "deliveries:read", "events:read events:write"])
def test_403_to_scopes_broader_than_the_caller_s(
    create: Create, server: Server, scopes: str
) -> None:
    narrow = create(scopes="api-keys:create events:read").json()["key"]
    before = server.database.count("api_key")
    answer = create(headers={"X-API-Key": narrow}, scopes=scopes)
    assert_error(answer, 403, "insufficient_scope", "body/scopes")
    assert server.database.count("api_key") == before


def test_403_when_the_default_scopes_are_broader_than_the_caller_s(create: Create) -> None:
    narrow = create(scopes="api-keys:*").json()["key"]
    answer = create(headers={"X-API-Key": narrow})
    assert_error(answer, 403, "insufficient_scope", "body/scopes")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_403_to_a_cookie_from_elsewhere(
    create: Create, server: Server, tenant: Tenant, headers: dict[str, str]
) -> None:
    jar = {"Cookie": cookie(session_of_owner(server, tenant))}
    assert_error(create(headers={**jar, **headers}), 403, "untrusted_origin", "header/origin")


def test_403_not_to_keys_and_bearer_tokens_whatever_the_origin(
    create: Create, server: Server, tenant: Tenant
) -> None:
    elsewhere = {"Origin": "http://evil.example"}
    token = session_of_owner(server, tenant)
    assert create(headers={"X-API-Key": tenant.key, **elsewhere}).status_code == 201
    assert create(headers={"Authorization": f"Bearer {token}", **elsewhere}).status_code == 201


# 404


def test_404_environment_that_never_existed(create: Create, tenant: Tenant, server: Server) -> None:
    headers = {"Authorization": f"Bearer {session_of_owner(server, tenant)}"}
    assert_error(create(headers=headers, env_id="env_0"), 404, "environment_not_found")


def test_404_environment_of_another_organization(
    create: Create, server: Server, tenant: Tenant
) -> None:
    org = server.database.add_organization()
    env = server.database.add_environment(org)
    sibling = server.database.add_environment(tenant.org_id)
    session = {"Authorization": f"Bearer {session_of_owner(server, tenant)}"}
    key = {"X-API-Key": tenant.key}
    answers = [
        create(headers=session, org_id=org, env_id=env),
        create(headers=session, env_id=env),
        create(headers=session, org_id=org),
        create(headers=session, org_id="org_0", env_id="env_0"),
        create(headers=key, org_id=org, env_id=env),
        create(headers=key, env_id=env),
        # A key acts in its own environment only, so to it the next one does not exist either.
        create(headers=key, env_id=sibling),
        create(headers=key, env_id="env_0"),
    ]
    for answer in answers:
        assert_error(answer, 404, "environment_not_found")
    assert len({told(answer) for answer in answers}) == 1


def test_404_also_to_a_key_that_lacks_the_scope(create: Create, server: Server) -> None:
    org = server.database.add_organization()
    env = server.database.add_environment(org)
    narrow = create(scopes="events:read").json()["key"]
    answer = create(headers={"X-API-Key": narrow}, org_id=org, env_id=env)
    assert_error(answer, 404, "environment_not_found")


def test_404_when_the_user_is_no_longer_a_member(create: Create, server: Server) -> None:
    user = server.database.add_user()
    org = server.database.add_organization()
    env = server.database.add_environment(org)
    headers = {"Authorization": f"Bearer {server.database.add_session(user)}"}
    server.database.add_member(org, user)
    assert create(headers=headers, org_id=org, env_id=env).status_code == 201
    server.database.execute('delete from "member" where "userId" = ?', (user,))
    assert_error(create(headers=headers, org_id=org, env_id=env), 404, "environment_not_found")


# 503


@pytest.fixture
def broken(database: Database) -> tuple[Database, Tenant]:
    return database, database.init()


def test_503_and_not_401_when_the_database_does_not_answer(
    broken: tuple[Database, Tenant],
) -> None:
    database, tenant = broken
    token = database.add_session(tenant.user_id)
    body = {"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id}
    with serving(database) as server:
        database.execute("alter table api_key rename to api_key_away")
        database.execute('alter table "session" rename to "session_away"')
        for headers in (
            {"X-API-Key": tenant.key},
            {"Authorization": f"Bearer {tenant.key}"},
            {"Authorization": f"Bearer {token}"},
            {"X-API-Key": "nonsense", **same_origin(server, token)},
        ):
            answer = server.request("POST", "/auth/api-keys", json=body, headers=headers)
            assert_error(answer, 503, "unavailable")
            assert int(answer.headers["retry-after"]) > 0
        database.execute("alter table api_key_away rename to api_key")
        answer = server.request(
            "POST", "/auth/api-keys", json=body, headers={"X-API-Key": tenant.key}
        )
        assert answer.status_code == 201
