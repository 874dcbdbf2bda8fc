"""GET, PATCH and DELETE /auth/api-keys/{id}, the list, and revocation by the secret."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from support import Server, Tenant, assert_error, cookie

Create = Callable[..., httpx.Response]

UNION = {
    "id", "org_id", "env_id", "name", "prefix", "key_prefix", "scopes", "role",
    "restricted_by", "state", "enabled",
    "expires_at", "allowed_ips", "metadata", "external_id", "rate_limit", "created_by",
    "created_at", "rotations", "request_count", "last_used_at", "last_used_ip", "failed_attempts",
    "revoked", "revoked_at", "revocation_reason",
}  # fmt: skip
LONG_AGO = "2001-01-01T00:00:00Z"
FAR_OFF = "2999-12-31T23:59:59Z"


def member(server: Server, org_id: str, role: str = "member") -> dict[str, str]:
    user = server.database.add_user()
    server.database.add_member(org_id, user, role)
    return {"Authorization": f"Bearer {server.database.add_session(user)}"}


def ask(
    server: Server, method: str, path: str, headers: dict[str, str], **arguments: Any
) -> httpx.Response:
    return server.request(method, f"/auth/api-keys{path}", headers=headers, **arguments)


def ids(page: dict[str, Any]) -> list[str]:
    """What is on a page. How a key is used may be written meanwhile."""
    return [key["id"] for key in page["api_keys"]]


def key_header(created: dict[str, Any]) -> dict[str, str]:
    return {"X-API-Key": created["key"]}


# Create, what is more than the seed


def test_201_with_rules_that_the_key_then_has(
    create: Create, server: Server, owner: dict[str, str]
) -> None:
    created = create(
        expires_at="2999-01-01T00:00:00Z",
        allowed_ips=["203.0.113.7/24", "2001:DB8::/32", "127.0.0.1"],
        metadata={"plan": "pro", "": "ø"},
        external_id="customer 7",
        rate_limit={"requests": 100, "window_seconds": 60},
    ).json()
    assert set(created) == {"id", "name", "key", "key_prefix", "scopes", "created_at"}
    shown = ask(server, "GET", f"/{created['id']}", owner).json()["api_key"]
    assert shown["expires_at"] == "2999-01-01T00:00:00.000Z"
    assert shown["allowed_ips"] == ["203.0.113.0/24", "2001:db8::/32", "127.0.0.1/32"]
    assert shown["metadata"] == {"plan": "pro", "": "ø"}
    assert shown["external_id"] == "customer 7"
    assert shown["rate_limit"] == {"requests": 100, "window_seconds": 60}


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"expires_at": "tomorrow"}, "body/expires_at"),
        ({"expires_at": "2027-02-29T00:00:00Z"}, "body/expires_at"),
        ({"expires_at": "2027-01-01T00:00:00"}, "body/expires_at"),
        ({"expires_at": "1999-12-31T23:59:59Z"}, "body/expires_at"),
        ({"allowed_ips": ["256.0.0.1"]}, "body/allowed_ips/0"),
        ({"allowed_ips": ["10.0.0.0/8", "::/129"]}, "body/allowed_ips/1"),
        ({"allowed_ips": "10.0.0.0/8"}, "body/allowed_ips"),
        ({"allowed_ips": ["10.0.0.0/8"] * 51}, "body/allowed_ips"),
        ({"metadata": {"a": 1}}, "body/metadata/a"),
        ({"metadata": {str(number): "" for number in range(51)}}, "body/metadata"),
        ({"metadata": {str(number): "x" * 405 for number in range(10)}}, "body/metadata"),
        ({"external_id": ""}, "body/external_id"),
        ({"rate_limit": {"requests": 0, "window_seconds": 60}}, "body/rate_limit/requests"),
        (
            {"rate_limit": {"requests": 1, "window_seconds": 86401}},
            "body/rate_limit/window_seconds",
        ),
        ({"rate_limit": {"requests": 1}}, "body/rate_limit"),
        ({"rate_limit": 10}, "body/rate_limit"),
    ],
)
def test_400_to_invalid_rules(create: Create, changes: dict[str, Any], location: str) -> None:
    assert_error(create(**changes), 400, "bad_request", location)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"expires_at": "2030-01-01"},
            "value is not an RFC 3339 time from the year 2000, with Z or an offset from UTC, "
            "such as 2030-01-01T00:00:00Z",
        ),
        (
            {"allowed_ips": ["10.0.0.0/33"]},
            "value is not an IP address or a network in CIDR notation, such as 192.0.2.0/24",
        ),
    ],
)
def test_400_says_in_words_what_is_accepted(
    create: Create, changes: dict[str, Any], message: str
) -> None:
    (detail,) = create(**changes).json()["details"]
    assert detail["message"] == message


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2030-01-01T00:00:00+00:00", "2030-01-01T00:00:00.000Z"),
        ("2030-01-01T00:00:00.1234567Z", "2030-01-01T00:00:00.123Z"),
        ("2030-01-01T00:00:00.123456789Z", "2030-01-01T00:00:00.123Z"),
        ("2030-01-01T02:00:00.123456789+02:00", "2030-01-01T00:00:00.123Z"),
        ("2030-12-31t23:59:60z", "2031-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_an_expiry_in_every_form_of_rfc_3339_is_stored_in_utc(
    create: Create, server: Server, owner: dict[str, str], sent: str, stored: str
) -> None:
    path = f"/{create(expires_at=sent).json()['id']}"
    assert ask(server, "GET", path, owner).json()["api_key"]["expires_at"] == stored
    ask(server, "PATCH", path, owner, json={"expires_at": None})
    changed = ask(server, "PATCH", path, owner, json={"expires_at": sent})
    assert changed.json()["api_key"]["expires_at"] == stored
    wanted = {"grace_period_seconds": 0, "expires_at": sent}
    rotated = ask(server, "POST", f"{path}/rotations", owner, json=wanted)
    assert rotated.json()["rotation"]["expires_at"] == stored


def test_403_to_limits_wider_than_the_caller_s(create: Create) -> None:
    maker = create(
        scopes="*",
        expires_at="2999-01-01T00:00:00Z",
        allowed_ips=["127.0.0.0/8", "::1"],
        rate_limit={"requests": 1000, "window_seconds": 60},
    ).json()
    limits = {
        "expires_at": "2998-01-01T00:00:00Z",
        "allowed_ips": ["127.0.0.1"],
        "rate_limit": {"requests": 1000, "window_seconds": 60},
    }
    assert create(headers=key_header(maker), **limits).status_code == 201
    for wider, location in (
        ({"expires_at": FAR_OFF}, "body/expires_at"),
        ({"expires_at": None}, "body/expires_at"),
        ({"allowed_ips": ["0.0.0.0/0"]}, "body/allowed_ips"),
        ({"allowed_ips": []}, "body/allowed_ips"),
        ({"allowed_ips": ["127.0.0.1", "10.0.0.1"]}, "body/allowed_ips"),
        ({"rate_limit": None}, "body/rate_limit"),
        ({"rate_limit": {"requests": 1001, "window_seconds": 100}}, "body/rate_limit"),
        ({"rate_limit": {"requests": 100, "window_seconds": 5}}, "body/rate_limit"),
    ):
        answer = create(headers=key_header(maker), **{**limits, **wider})
        assert_error(answer, 403, "insufficient_scope", location)


# Get


def test_200_get_shows_the_union_of_both_of_hookstreams_pages(
    create: Create, server: Server, tenant: Tenant
) -> None:
    created = create(name="Shown").json()
    answer = ask(server, "GET", f"/{created['id']}", {"X-API-Key": tenant.key})
    assert answer.status_code == 200
    shown = answer.json()["api_key"]
    assert set(shown) == UNION
    assert (shown["state"], shown["revoked"], shown["revoked_at"]) == ("active", 0, None)
    assert shown["prefix"] == shown["key_prefix"] == created["key_prefix"]
    assert created["key"] not in answer.text


def test_404_get_is_the_same_for_inaccessible_and_nonexistent_keys(
    create: Create, server: Server, tenant: Tenant, owner: dict[str, str]
) -> None:
    org = server.database.add_organization()
    env = server.database.add_environment(org)
    theirs = member(server, org)
    foreign = create(headers=theirs, org_id=org, env_id=env).json()["id"]
    sibling_env = server.database.add_environment(tenant.org_id)
    sibling = create(headers=owner, env_id=sibling_env).json()["id"]
    key = {"X-API-Key": tenant.key}
    answers = []
    for method, body in (("GET", None), ("PATCH", {"name": "mine"}), ("DELETE", None)):
        for headers, target in (
            (owner, foreign), (owner, "ak_0"), (key, foreign), (key, sibling), (key, "ak_0"),
        ):  # fmt: skip
            answers.append(ask(server, method, f"/{target}", headers, json=body))
    texts = set()
    for answer in answers:
        error = assert_error(answer, 404, "api_key_not_found")
        texts.add(answer.text.replace(error["request_id"], ""))
    assert len(texts) == 1


def test_403_without_the_scope(create: Create, server: Server) -> None:
    narrow = create(scopes="api-keys:create").json()
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        answer = ask(server, method, f"/{narrow['id']}", key_header(narrow), json=body)
        assert_error(answer, 403, "insufficient_scope")
    assert_error(ask(server, "GET", "", key_header(narrow)), 403, "insufficient_scope")


def test_401_without_a_credential(server: Server) -> None:
    for method, path in (("GET", ""), ("GET", "/ak_0"), ("PATCH", "/ak_0"), ("DELETE", "/ak_0")):
        assert_error(ask(server, method, path, {}), 401, "unauthorized")


# Update


def test_200_update_changes_the_given_fields_only(
    create: Create, server: Server, owner: dict[str, str]
) -> None:
    created = create(scopes="events:*", metadata={"a": "b"}).json()
    before = ask(server, "GET", f"/{created['id']}", owner).json()["api_key"]
    changes = {"name": "New name", "scopes": "events:read", "expires_at": FAR_OFF}
    answer = ask(server, "PATCH", f"/{created['id']}", owner, json=changes)
    assert answer.status_code == 200
    after = answer.json()["api_key"]
    restricted = {"restricted_by": {"scopes": "owner", "expires_at": "owner"}}
    changed = {**before, **changes, **restricted, "expires_at": "2999-12-31T23:59:59.000Z"}
    assert after == changed
    assert ask(server, "GET", f"/{created['id']}", owner).json()["api_key"] == changed
    again = ask(server, "PATCH", f"/{created['id']}", owner, json={"expires_at": None})
    assert again.json()["api_key"]["expires_at"] is None


def test_200_a_disabled_key_is_invalid_until_it_is_enabled(
    create: Create, server: Server, owner: dict[str, str]
) -> None:
    created = create().json()
    path = f"/{created['id']}"
    off = ask(server, "PATCH", path, owner, json={"enabled": False})
    assert off.json()["api_key"]["state"] == "disabled"
    assert_error(create(headers=key_header(created)), 401, "unauthorized")
    ask(server, "PATCH", path, owner, json={"enabled": True})
    assert create(headers=key_header(created)).status_code == 201


def test_200_a_key_with_an_expiry_in_the_past_has_expired(
    create: Create, server: Server, owner: dict[str, str]
) -> None:
    created = create().json()
    answer = ask(server, "PATCH", f"/{created['id']}", owner, json={"expires_at": LONG_AGO})
    assert answer.json()["api_key"]["state"] == "expired"
    assert_error(create(headers=key_header(created)), 401, "unauthorized")


def test_200_a_key_is_valid_from_its_allowed_ips_only(
    create: Create, server: Server, owner: dict[str, str]
) -> None:
    created = create().json()
    path = f"/{created['id']}"
    ask(server, "PATCH", path, owner, json={"allowed_ips": ["10.0.0.0/8"]})
    assert_error(create(headers=key_header(created)), 401, "unauthorized")
    ask(server, "PATCH", path, owner, json={"allowed_ips": ["10.0.0.0/8", "127.0.0.0/8"]})
    answer = create(headers=key_header(created), allowed_ips=["127.0.0.1"])
    assert answer.status_code == 201


def test_403_a_key_cannot_create_a_key_with_more_rights(
    create: Create, server: Server, owner: dict[str, str]
) -> None:
    editor = create(scopes="api-keys:update events:read").json()
    target = create(scopes="events:read").json()
    mighty = create(scopes="*").json()
    ask(server, "PATCH", f"/{mighty['id']}", owner, json={"enabled": False})
    itself = f"/{editor['id']}"
    mine = key_header(editor)
    for path, changes, location in (
        (f"/{target['id']}", {"scopes": "events:*"}, "body/scopes"),
        (itself, {"scopes": "*"}, "body/scopes"),
        # That of the key which is enabled, and which the request does not name.
        (f"/{mighty['id']}", {"enabled": True}, "path/id"),
    ):
        answer = ask(server, "PATCH", path, mine, json=changes)
        assert_error(answer, 403, "insufficient_scope", location)
    assert ask(server, "PATCH", itself, mine, json={"name": "Me"}).status_code == 200


def test_403_a_key_cannot_widen_a_key_whose_pending_secret_expires_later(
    create: Create, server: Server, owner: dict[str, str]
) -> None:
    end = {"expires_at": "2999-01-01T00:00:00Z"}
    editor = create(scopes="api-keys:update events:*", **end).json()
    target = create(scopes="events:read", **end).json()
    rotation = {"grace_period_seconds": 0, "expires_at": None}
    path = f"/{target['id']}"
    assert ask(server, "POST", f"{path}/rotations", owner, json=rotation).status_code == 201
    mine = key_header(editor)
    answer = ask(server, "PATCH", path, mine, json={"scopes": "events:*"})
    assert_error(answer, 403, "insufficient_scope", "path/id")
    # A change that adds no rights is allowed, and so is an expiry, which applies to both secrets.
    assert ask(server, "PATCH", path, mine, json={"name": "Mine"}).status_code == 200
    changes = {"scopes": "events:*", **end}
    assert ask(server, "PATCH", path, mine, json=changes).status_code == 200


def test_403_a_member_manages_only_their_own_keys(
    create: Create, server: Server, tenant: Tenant
) -> None:
    others = create().json()["id"]
    ada = member(server, tenant.org_id)
    own = create(headers=ada).json()["id"]
    assert ask(server, "GET", f"/{others}", ada).status_code == 200
    for method, body in (("PATCH", {"name": "x"}), ("DELETE", None)):
        assert_error(ask(server, method, f"/{others}", ada, json=body), 403, "forbidden")
        assert ask(server, method, f"/{own}", ada, json=body).status_code < 300
    admin = member(server, tenant.org_id, "member,admin")
    assert ask(server, "PATCH", f"/{others}", admin, json={"name": "x"}).status_code == 200


@pytest.mark.parametrize("changes", [{}, {"id": "x"}, {"name": ""}, {"enabled": "yes"}])
def test_400_to_an_invalid_change(
    create: Create, server: Server, owner: dict[str, str], changes: dict[str, Any]
) -> None:
    path = f"/{create().json()['id']}"
    answer = ask(server, "PATCH", path, owner, json=changes)
    assert answer.status_code == 400


def test_403_a_cookie_from_elsewhere_changes_nothing(
    create: Create, server: Server, tenant: Tenant
) -> None:
    path = f"/{create().json()['id']}"
    jar = {"Cookie": cookie(server.database.add_session(tenant.user_id))}
    for method, body in (("PATCH", {"name": "x"}), ("DELETE", None)):
        answer = ask(server, method, path, jar, json=body)
        assert_error(answer, 403, "untrusted_origin", "header/origin")
    assert ask(server, "GET", path, jar).status_code == 200


# Revoke


@pytest.mark.not_in_sandbox(reason="a sandbox records refused attempts at once")
def test_204_a_revocation_is_immediate_and_permanent(
    create: Create, server: Server, owner: dict[str, str]
) -> None:
    created = create().json()
    path = f"/{created['id']}"
    assert create(headers=key_header(created)).status_code == 201
    answer = ask(server, "DELETE", f"{path}?reason=keyCompromise", owner)
    assert (answer.status_code, answer.content) == (204, b"")
    assert_error(create(headers=key_header(created)), 401, "unauthorized")
    shown = ask(server, "GET", path, owner).json()["api_key"]
    assert (shown["state"], shown["revoked"]) == ("revoked", 1)
    assert shown["revocation_reason"] == "keyCompromise"
    # Revoking twice has no effect, and is recorded once.
    assert ask(server, "DELETE", path, owner).status_code == 204
    assert ask(server, "GET", path, owner).json()["api_key"] == shown
    events = server.database.actions("resource_id", created["id"])
    assert events == ["api_key.created", "api_key.revoked"]


def test_409_a_revoked_key_cannot_be_changed(
    create: Create, server: Server, owner: dict[str, str]
) -> None:
    path = f"/{create().json()['id']}"
    ask(server, "DELETE", path, owner)
    answer = ask(server, "PATCH", path, owner, json={"enabled": True})
    assert_error(answer, 409, "conflict")


def test_400_to_an_unknown_reason(server: Server, owner: dict[str, str]) -> None:
    answer = ask(server, "DELETE", "/ak_0?reason=because", owner)
    assert_error(answer, 400, "bad_request", "query/reason")


def test_204_a_key_can_be_revoked_by_presenting_it(create: Create, server: Server) -> None:
    created = create().json()
    body = {"key": created["key"], "reason": "keyCompromise"}
    assert ask(server, "POST", "/revoke", {}, json=body).status_code == 204
    assert_error(create(headers=key_header(created)), 401, "unauthorized")


@pytest.mark.parametrize("pasted", ["{}\n", "{}\r\n", "{} ", " {}", "\t{}\t", "\n\n{}\n"])
def test_204_a_key_is_revoked_that_was_pasted_with_white_space(
    create: Create, server: Server, pasted: str
) -> None:
    created = create().json()
    body = {"key": pasted.format(created["key"])}
    assert ask(server, "POST", "/revoke", {}, json=body).status_code == 204
    assert_error(create(headers=key_header(created)), 401, "unauthorized")


def test_204_the_same_answer_when_there_is_no_such_key(create: Create, server: Server) -> None:
    revoked = create().json()["key"]
    answers = [
        ask(server, "POST", "/revoke", {}, json={"key": text})
        for text in (revoked, revoked, revoked[:-1], "nonsense", "")
    ]
    shown = {
        (answer.status_code, answer.content, tuple(sorted(set(answer.headers) - {"date"})))
        for answer in answers
    }
    assert len(shown) == 1


# List


@pytest.fixture(scope="module")
def many(server: Server, tenant: Tenant) -> tuple[dict[str, str], str, list[str]]:
    """An environment of its own with 45 keys, by a member; their ids, newest first."""
    env = server.database.add_environment(tenant.org_id)
    ada = member(server, tenant.org_id)
    ids = []
    for number in range(45):
        answer = server.request(
            "POST",
            "/auth/api-keys",
            headers=ada,
            json={"name": f"Key {number % 3}", "org_id": tenant.org_id, "env_id": env},
        )
        ids.append(answer.json()["id"])
    return ada, env, ids[::-1]


def pages(
    server: Server, headers: dict[str, str], query: str, cursor: str | None = None
) -> list[list[str]]:
    found = []
    while True:
        after = f"&cursor={cursor}" if cursor else ""
        answer = ask(server, "GET", f"?{query}{after}", headers)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found.append([key["id"] for key in page["api_keys"]])
        assert page["has_more"] == (page["cursor"] is not None)
        if page["cursor"] is None:
            return found
        cursor = page["cursor"]


def flat(found: list[list[str]]) -> list[str]:
    return [key_id for page in found for key_id in page]


def test_200_pages_hold_every_key_once_newest_first(
    server: Server, many: tuple[dict[str, str], str, list[str]]
) -> None:
    headers, env, ids = many
    found = pages(server, headers, f"env_id={env}")
    assert [len(page) for page in found] == [20, 20, 5]
    assert sorted(flat(found)) == sorted(ids)
    assert [len(page) for page in pages(server, headers, f"env_id={env}&limit=45")] == [45]
    assert [len(page) for page in pages(server, headers, f"env_id={env}&limit=44")] == [44, 1]


def test_200_pages_are_stable_while_keys_are_added(
    create: Create, server: Server, many: tuple[dict[str, str], str, list[str]]
) -> None:
    headers, env, _ = many
    old = flat(pages(server, headers, f"env_id={env}&limit=100"))
    first = ask(server, "GET", f"?env_id={env}&limit=10", headers).json()
    assert create(headers=headers, env_id=env, name="Meanwhile").status_code == 201
    rest = pages(server, headers, f"env_id={env}&limit=10", first["cursor"])
    assert [key["id"] for key in first["api_keys"]] + flat(rest) == old


def test_200_filters_can_be_combined(
    create: Create, server: Server, many: tuple[dict[str, str], str, list[str]]
) -> None:
    headers, env, ids = many
    named = flat(pages(server, headers, f"env_id={env}&name=Key%201"))
    assert len(named) == 15
    creator = ask(server, "GET", f"/{ids[0]}", headers).json()["api_key"]["created_by"]
    ask(server, "DELETE", f"/{named[0]}", headers)
    ask(server, "PATCH", f"/{named[1]}", headers, json={"enabled": False})
    ask(server, "PATCH", f"/{named[2]}", headers, json={"expires_at": LONG_AGO})
    query = f"env_id={env}&name=Key%201&created_by={creator}&state="
    for state, expected in (
        ("revoked", named[:1]), ("disabled", named[1:2]), ("expired", named[2:3]),
        ("active", named[3:]),
    ):  # fmt: skip
        assert flat(pages(server, headers, query + state)) == expected, state
    assert flat(pages(server, headers, f"env_id={env}&created_by=usr_0")) == []


def test_200_a_key_lists_its_own_environment(
    create: Create, server: Server, tenant: Tenant
) -> None:
    reader = create(scopes="api-keys:read").json()
    answer = ask(server, "GET", "?limit=100", key_header(reader)).json()
    assert {key["env_id"] for key in answer["api_keys"]} == {tenant.env_id}
    assert reader["key"] not in str(answer)


def test_200_a_session_lists_its_organization(
    server: Server, tenant: Tenant, owner: dict[str, str]
) -> None:
    answer = ask(server, "GET", "", owner).json()
    assert {key["org_id"] for key in answer["api_keys"]} == {tenant.org_id}
    named = ask(server, "GET", f"?org_id={tenant.org_id}", owner).json()
    assert ids(named) == ids(answer)


def test_200_list_of_the_first_organization_where_none_is_named(
    server: Server, tenant: Tenant
) -> None:
    user = server.database.add_user()
    headers = {"Authorization": f"Bearer {server.database.add_session(user)}"}
    assert_error(ask(server, "GET", "", headers), 404, "organization_not_found")
    for org in (tenant.org_id, server.database.add_organization()):
        server.database.add_member(org, user)
    named = ask(server, "GET", f"?org_id={tenant.org_id}", headers)
    assert named.status_code == 200
    assert ids(ask(server, "GET", "", headers).json()) == ids(named.json())


def test_404_list_of_an_inaccessible_organization_or_environment(
    server: Server, tenant: Tenant, owner: dict[str, str]
) -> None:
    org = server.database.add_organization()
    env = server.database.add_environment(org)
    key = {"X-API-Key": tenant.key}
    for headers in (owner, key):
        for other in (org, "org_0"):
            answer = ask(server, "GET", f"?org_id={other}", headers)
            assert_error(answer, 404, "organization_not_found")
        for other in (env, "env_0"):
            answer = ask(server, "GET", f"?env_id={other}", headers)
            assert_error(answer, 404, "environment_not_found")


@pytest.mark.parametrize(
    "query",
    # As Python reads numbers, and a parameter twice.
    [
        "limit=1_0",
        "limit=%2B1",
        "limit=%201",
        "limit=%EF%BC%91",
        "limit=1.0",
        "limit=1&limit=2",
        "limit=" + "9" * 5000,
        "state=active&state=active",
        "limit=0",
        "limit=101",
        "limit=x",
        "limit=",
        "cursor=",
        "cursor=!!",
        "state=old",
        "name=%00",
    ],
)
def test_400_to_an_invalid_query(server: Server, owner: dict[str, str], query: str) -> None:
    location = f"query/{query.partition('=')[0]}"
    assert_error(ask(server, "GET", f"?{query}", owner), 400, "bad_request", location)


def test_400_names_a_parameter_that_is_given_twice(server: Server, owner: dict[str, str]) -> None:
    error = ask(server, "GET", "?limit=1&limit=1", owner).json()
    assert error["details"] == [{"location": "query/limit", "message": "is given more than once"}]


@pytest.mark.parametrize(
    "cursor",
    ["x", "WyJhIl0", "20261124120000000", "2026-11-24-ak_0", "20261124120000000-" + "a" * 65],
)
def test_400_to_a_cursor_of_another_form(
    server: Server, owner: dict[str, str], cursor: str
) -> None:
    answer = ask(server, "GET", f"?cursor={cursor}", owner)
    assert_error(answer, 400, "bad_request", "query/cursor")


def test_200_to_a_cursor_that_no_page_returned(server: Server, owner: dict[str, str]) -> None:
    empty: dict[str, Any] = {"api_keys": [], "cursor": None, "has_more": False}
    for path in ("?cursor=00000000000000000-ak_0", "?cursor=00010101000000000-_"):
        answer = ask(server, "GET", path, owner)
        assert (answer.status_code, answer.json()) == (200, empty)
    # 99 is no month, and later than each: the first page.
    answer = ask(server, "GET", "?cursor=99999999999999999-ak_0", owner)
    assert answer.json() == ask(server, "GET", "", owner).json()
