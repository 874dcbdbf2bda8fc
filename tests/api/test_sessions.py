"""/auth/sign-up/email, /auth/sign-in/email, /auth/sign-out and /auth/get-session."""

import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from support import Database, Server, Tenant, assert_error, cookie, iso, serving, signed

# Two workers, so that each must see what the other did.
pytestmark = pytest.mark.server(workers=2, HOOKSTREAM_SIGN_UP="open")

PASSWORD = "correct horse"


@dataclass(frozen=True)
class Person:
    """A user who has signed up, and their credentials."""

    id: str
    email: str
    token: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@pytest.mark.on_sqlite(reason="PostgreSQL's column has times only")
@pytest.mark.parametrize(
    ("expires_at", "status"),
    [("9999-12-31T23:59:59.999Z", 200), ("garbage", 401), ("9e18", 401), (9e18, 401)],
)
def test_a_session_with_an_odd_expiry_is_no_error(
    server: Server, expires_at: Any, status: int
) -> None:
    database = server.database
    token = database.add_session(database.add_user())
    old = iso(datetime.now(UTC) - timedelta(days=30))
    database.execute(
        'update "session" set "expiresAt" = ?, "updatedAt" = ? where token = ?',
        (expires_at, old, token),
    )
    for _ in range(2):
        headers = {"Authorization": f"Bearer {token}"}
        assert server.request("GET", "/auth/whoami", headers=headers).status_code == status


def sign_up(server: Server, **changes: Any) -> httpx.Response:
    body = {"name": "Ada", "email": f"{secrets.token_hex(8)}@example.com", "password": PASSWORD}
    return server.request("POST", "/auth/sign-up/email", json={**body, **changes})


def sign_in(server: Server, email: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
    body = {"email": email, "password": password, **more}
    return server.request("POST", "/auth/sign-in/email", json=body)


def get_session(server: Server, headers: dict[str, str], query: str = "") -> httpx.Response:
    return server.request("GET", f"/auth/get-session{query}", headers=headers)


def cookies(answer: httpx.Response) -> SimpleCookie:
    jar = SimpleCookie()
    for fields in answer.headers.get_list("set-cookie"):
        # A proxy on the way may have made one field of two.
        for field in re.split(r", ?(?=(?:__Secure-)?(?:better-auth|acme))", fields):
            jar.load(field)
    return jar


@pytest.fixture
def ada(server: Server) -> Person:
    answer = sign_up(server)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return Person(body["user"]["id"], body["user"]["email"], body["token"])


# Sign up


@pytest.mark.not_in_sandbox(reason="all environments of a sandbox are in test mode")
def test_200_signs_up_with_an_organization_and_an_environment(server: Server) -> None:
    answer = sign_up(server, name="Ada Lovelace")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["user"]["name"] == "Ada Lovelace"
    assert body["user"]["emailVerified"] is False
    headers = {"Authorization": f"Bearer {body['token']}"}
    (organization,) = server.request("GET", "/organizations", headers=headers).json()[
        "organizations"
    ]
    assert (organization["name"], organization["role"]) == (
        "Ada Lovelace's organization",
        "owner",
    )
    (environment,) = server.request("GET", "/environments", headers=headers).json()["environments"]
    assert (environment["name"], environment["slug"], environment["mode"]) == (
        "Default",
        "default",
        "live",
    )
    key = {"name": "First", "org_id": organization["id"], "env_id": environment["id"]}
    assert server.request("POST", "/auth/api-keys", json=key, headers=headers).status_code == 201
    assert server.database.actions("user_id", body["user"]["id"])[:4] == [
        "organization.created",
        "environment.created",
        "user.created",
        "session.created",
    ]


def test_200_the_cookie_is_as_better_auth_sets_it(server: Server) -> None:
    answer = sign_up(server)
    token = answer.json()["token"]
    assert re.fullmatch(r"[A-Za-z0-9]{32}", token)
    jar = cookies(answer)
    morsel = jar["better-auth.session_token"]
    assert unquote(morsel.value) == signed(token) == answer.headers["set-auth-token"]
    assert (morsel["max-age"], morsel["path"], morsel["samesite"]) == ("604800", "/", "Lax")
    assert (morsel["httponly"], morsel["secure"]) == (True, "")
    assert jar["better-auth.dont_remember"]["max-age"] == "0"
    header = {"Cookie": f"better-auth.session_token={morsel.value}"}
    assert get_session(server, header).json()["session"]["token"] == token


def test_200_over_https_the_cookie_is_secure(database: Database) -> None:
    database.init()
    with serving(
        database, HOOKSTREAM_SIGN_UP="open", HOOKSTREAM_TRUSTED_PROXIES="127.0.0.1"
    ) as server:
        answer = server.request(
            "POST",
            "/auth/sign-up/email",
            json={"name": "Ada", "email": "ada@example.com", "password": PASSWORD},
            headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"},
        )
        morsel = cookies(answer)["__Secure-better-auth.session_token"]
        assert morsel["secure"] is True
        shown = get_session(server, {"Authorization": f"Bearer {answer.json()['token']}"})
        assert shown.json()["session"]["ipAddress"] == "203.0.113.7"


def test_403_when_sign_up_is_closed(database: Database) -> None:
    database.init()
    with serving(database) as server:
        before = database.dump()
        error = assert_error(sign_up(server), 403, "EMAIL_PASSWORD_SIGN_UP_DISABLED")
        assert error["message"] == error["error"]
        assert database.dump() == before


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"name": ""}, "body/name"),
        ({"email": "ada"}, "body/email"),
        ({"email": "ada@example"}, "body/email"),
        ({"password": "short12"}, "body/password"),
        ({"password": "x" * 129}, "body/password"),
        ({"image": "javascript:alert(1)"}, "body/image"),
        ({"rememberMe": "yes"}, "body/rememberMe"),
        ({"role": "owner"}, "body"),
    ],
)
def test_400_to_invalid_requests(server: Server, changes: dict[str, Any], location: str) -> None:
    assert_error(sign_up(server, **changes), 400, "bad_request", location)


def test_415_to_a_form(server: Server) -> None:
    for content, kind in (
        ("email=a%40example.com&password=x", "application/x-www-form-urlencoded"),
        ('{"email":"a@example.com","password":"x"}', "text/plain"),
    ):
        answer = server.request(
            "POST", "/auth/sign-in/email", content=content, headers={"Content-Type": kind}
        )
        assert_error(answer, 415, "unsupported_media_type", "header/content-type")


def test_409_to_an_address_that_has_signed_up(server: Server, ada: Person) -> None:
    before = server.database.count('"user"')
    for email in (ada.email, ada.email.upper()):
        answer = sign_up(server, email=email)
        assert_error(answer, 409, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", "body/email")
        assert "set-cookie" not in answer.headers
    assert server.database.count('"user"') == before


def test_of_concurrent_sign_ups_with_one_address_one_succeeds(server: Server) -> None:
    email = f"{secrets.token_hex(8)}@example.com"
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: sign_up(server, email=email), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    rows = server.database.execute('select id from "user" where email = ?', (email,))
    assert len(rows) == 1


# Sign in


def test_200_signs_in_with_the_password(server: Server, ada: Person) -> None:
    answer = sign_in(server, ada.email.upper())
    assert answer.status_code == 200
    body = answer.json()
    assert body["user"]["id"] == ada.id
    assert body["redirect"] is False
    assert "url" not in body
    assert body["token"] != ada.token
    assert get_session(server, ada.bearer).json() is not None
    assert server.database.actions("user_id", ada.id)[-1] == "session.created"


def test_200_a_brief_session_ends_with_the_window(server: Server, ada: Person) -> None:
    answer = sign_in(server, ada.email, rememberMe=False)
    jar = cookies(answer)
    assert jar["better-auth.session_token"]["max-age"] == ""
    assert unquote(jar["better-auth.dont_remember"].value) == signed("true")
    session = get_session(server, {"Authorization": f"Bearer {answer.json()['token']}"})
    ends = datetime.fromisoformat(session.json()["session"]["expiresAt"])
    assert timedelta(hours=23) < ends - datetime.now(UTC) <= timedelta(days=1)


def test_200_a_user_without_an_organization_gets_one_once(server: Server) -> None:
    answer = sign_up(server)
    user = answer.json()["user"]
    server.database.execute('delete from "member" where "userId" = ?', (user["id"],))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: sign_in(server, user["email"]), range(4)))
    assert [each.status_code for each in answers] == [200] * 4
    rows = server.database.execute('select role from "member" where "userId" = ?', (user["id"],))
    assert rows == [("owner",)]


@pytest.mark.parametrize("url", ["/", "/console?tab=keys#new", "https://console.example.com/x"])
def test_200_a_callback_url_of_a_trusted_origin_is_accepted(database: Database, url: str) -> None:
    tenant = database.init()
    with serving(database, HOOKSTREAM_TRUSTED_ORIGINS="https://console.example.com") as server:
        answer = sign_in(server, tenant.email, tenant.password, callbackURL=url)
        assert (answer.json()["redirect"], answer.json()["url"]) == (True, url)


@pytest.mark.parametrize(
    "url", ["//evil.example", "/\\evil.example", "https://evil.example/", "http://[/"]
)
def test_403_a_callback_url_of_another_site_is_refused(
    server: Server, ada: Person, url: str
) -> None:
    answer = sign_in(server, ada.email, callbackURL=url)
    assert_error(answer, 403, "INVALID_CALLBACK_URL", "body/callbackURL")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
    ],
)
def test_403_from_a_page_of_another_site(
    *, server: Server, ada: Person, headers: dict[str, str], passes: bool
) -> None:
    body = {"email": ada.email, "password": PASSWORD}
    for path, content in (("/auth/sign-in/email", body), ("/auth/sign-out", {})):
        answer = server.request("POST", path, json=content, headers=headers)
        if passes:
            assert answer.status_code == 200
        else:
            assert_error(answer, 403, "untrusted_origin", "header/origin")
            assert "set-cookie" not in answer.headers
    own = server.request(
        "POST", "/auth/sign-in/email", json=body, headers={"Origin": server.origin}
    )
    assert own.status_code == 200


@pytest.mark.parametrize("password", ["wrong horse", PASSWORD.upper(), PASSWORD + " ", "x" * 128])
def test_401_to_another_password(server: Server, ada: Person, password: str) -> None:
    known = sign_in(server, ada.email, password)
    error = assert_error(known, 401, "INVALID_EMAIL_OR_PASSWORD")
    assert error["message"] == error["error"]
    assert "www-authenticate" in known.headers
    assert "set-cookie" not in known.headers
    no_user = sign_in(server, "unknown@example.com", password)
    unknown = assert_error(no_user, 401, "INVALID_EMAIL_OR_PASSWORD")
    assert {**error, "request_id": ""} == {**unknown, "request_id": ""}


def test_401_to_a_user_without_a_password(server: Server) -> None:
    user = server.database.add_user()
    answer = sign_in(server, f"{user}@example.com", "x")
    assert_error(answer, 401, "INVALID_EMAIL_OR_PASSWORD")


@pytest.mark.parametrize("more", ["%00", "%00.%00", "%FF", "%F0%9F%98%80"])
def test_401_to_a_token_with_odd_characters(server: Server, ada: Person, more: str) -> None:
    for token in (f"{ada.token}{more}", more):
        answer = server.request("GET", "/auth/whoami", headers={"Authorization": f"Bearer {token}"})
        assert_error(answer, 401, "unauthorized")


def test_the_password_is_nowhere(server: Server, ada: Person) -> None:
    password = f"a password {secrets.token_hex(16)}"
    answer = sign_up(server, password=password)
    sign_in(server, answer.json()["user"]["email"], password)
    sign_in(server, ada.email, password)
    assert password not in server.database.dump()
    assert password not in server.log.read_text(encoding="utf-8")
    assert answer.json()["token"] not in server.log.read_text(encoding="utf-8")


# Get session


def test_200_shows_who_is_signed_in(server: Server, ada: Person) -> None:
    for headers in (
        ada.bearer,
        {"Authorization": f"Bearer {signed(ada.token)}"},
        {"Cookie": cookie(ada.token)},
    ):
        answer = get_session(server, headers)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        body = answer.json()
        assert (body["session"]["userId"], body["user"]["id"]) == (ada.id, ada.id)
        assert body["session"]["token"] == ada.token
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer nonsense"},
        {"Cookie": "better-auth.session_token=nonsense"},
        {"Cookie": cookie("nonsense")},
    ],
)
def test_200_null_without_a_session(server: Server, headers: dict[str, str]) -> None:
    answer = get_session(server, headers)
    assert (answer.status_code, answer.text) == (200, "null")
    assert answer.headers["content-type"] == "application/json"


def test_200_null_for_a_key(server: Server, tenant_key: str) -> None:
    answer = get_session(server, {"Authorization": f"Bearer {tenant_key}"})
    assert answer.json() is None


@pytest.fixture(scope="module")
def tenant_key(server: Server) -> str:
    answer = sign_up(server)
    headers = {"Authorization": f"Bearer {answer.json()['token']}"}
    environment = server.request("GET", "/environments", headers=headers).json()["environments"][0]
    body = {"name": "k", "org_id": environment["org_id"], "env_id": environment["id"]}
    created = server.request("POST", "/auth/api-keys", json=body, headers=headers).json()
    return str(created["key"])


def test_400_to_another_query(server: Server) -> None:
    assert_error(get_session(server, {}, "?all=true"), 400, "bad_request", "query/all")
    answer = get_session(server, {}, "?disableCookieCache=1")
    assert_error(answer, 400, "bad_request", "query/disableCookieCache")


# Renewal


def age(server: Server, person: Person, days: float, lifetime: float = 7) -> None:
    """Let a session have been begun, or renewed, so many days ago."""
    begun = datetime.now(UTC) - timedelta(days=days)
    server.database.execute(
        'update "session" set "updatedAt" = ?, "expiresAt" = ? where token = ?',
        (iso(begun), iso(begun + timedelta(days=lifetime)), person.token),
    )


def lasts(server: Server, person: Person) -> timedelta:
    rows = server.database.execute(
        'select "expiresAt" from "session" where token = ?', (person.token,)
    )
    return datetime.fromisoformat(rows[0][0]) - datetime.now(UTC)


@pytest.mark.parametrize("path", ["/auth/get-session", "/organizations", "/auth/whoami"])
def test_a_session_that_is_used_is_renewed_once_a_day(
    server: Server, ada: Person, path: str
) -> None:
    by_cookie = {"Cookie": cookie(ada.token)}
    age(server, ada, days=0.9)
    assert "set-cookie" not in server.request("GET", path, headers=by_cookie).headers
    assert lasts(server, ada) < timedelta(days=6.2)
    age(server, ada, days=1.1)
    answer = server.request("GET", path, headers=by_cookie)
    assert answer.status_code == 200
    assert lasts(server, ada) > timedelta(days=6.9)
    morsel = cookies(answer)["better-auth.session_token"]
    assert (unquote(morsel.value), morsel["max-age"]) == (signed(ada.token), "604800")
    assert "set-cookie" not in server.request("GET", path, headers=by_cookie).headers
    # A program keeps no cookies.
    age(server, ada, days=3)
    assert "set-cookie" not in server.request("GET", path, headers=ada.bearer).headers
    assert lasts(server, ada) > timedelta(days=6.9)


def test_a_session_is_not_renewed_where_that_is_asked_for(server: Server, ada: Person) -> None:
    age(server, ada, days=3)
    assert get_session(server, ada.bearer, "?disableRefresh=true").json() is not None
    assert lasts(server, ada) < timedelta(days=4.1)


def test_a_brief_session_is_not_renewed(server: Server, ada: Person) -> None:
    age(server, ada, days=0.9, lifetime=1)
    assert get_session(server, ada.bearer).json() is not None
    assert lasts(server, ada) < timedelta(days=0.2)


@pytest.mark.not_in_sandbox(reason="a sandbox prunes before each request what is over")
def test_an_expired_session_is_not_renewed(server: Server, ada: Person) -> None:
    age(server, ada, days=7.1)
    assert get_session(server, ada.bearer).json() is None
    answer = server.request("GET", "/organizations", headers=ada.bearer)
    assert_error(answer, 401, "unauthorized")
    assert lasts(server, ada) < timedelta(0)


@pytest.mark.parametrize("days", [2, 3, 6])
def test_a_session_of_another_lifetime_is_renewed_by_that(
    server: Server, ada: Person, days: int
) -> None:
    age(server, ada, days=1.1, lifetime=days)
    answer = get_session(server, {"Cookie": cookie(ada.token)})
    assert timedelta(days=days, minutes=-5) < lasts(server, ada) <= timedelta(days=days)
    assert cookies(answer)["better-auth.session_token"]["max-age"] == str(days * 86_400)


def test_a_session_that_is_not_to_be_remembered_is_not_renewed(server: Server, ada: Person) -> None:
    headers = {"Cookie": f"{cookie(ada.token)}; {cookie('true', name='better-auth.dont_remember')}"}
    age(server, ada, days=3)
    answer = get_session(server, headers)
    assert answer.json() is not None
    assert "set-cookie" not in answer.headers
    assert lasts(server, ada) < timedelta(days=4.1)


def sign_in_at(server: Server, **more: Any) -> httpx.Response:
    tenant = server.database.tenant
    return sign_in(server, tenant.email, tenant.password, **more)


def test_lifetimes_are_as_they_are_set(database: Database) -> None:
    tenant = database.init()
    with serving(
        database,
        HOOKSTREAM_SESSION_EXPIRES_IN="3600",
        HOOKSTREAM_SESSION_UPDATE_AGE="600",
        HOOKSTREAM_SESSION_MAX_LIFETIME="7200",
    ) as server:
        answer = sign_in_at(server)
        token = answer.json()["token"]
        assert cookies(answer)["better-auth.session_token"]["max-age"] == "3600"
        person = Person(tenant.user_id, tenant.email, token)
        by_cookie = {"Cookie": cookie(token)}

        age(server, person, days=500 / 86_400, lifetime=3600 / 86_400)
        assert "set-cookie" not in get_session(server, by_cookie).headers
        age(server, person, days=700 / 86_400, lifetime=3600 / 86_400)
        answer = get_session(server, by_cookie)
        assert cookies(answer)["better-auth.session_token"]["max-age"] == "3600"
        assert timedelta(seconds=3500) < lasts(server, person) <= timedelta(seconds=3600)

        # Begun 90 minutes ago: half an hour is left, and then nothing, whatever its expiry says.
        begun = datetime.now(UTC) - timedelta(seconds=5400)
        change = 'update "session" set "createdAt" = ? where token = ?'
        database.execute(change, (iso(begun), token))
        age(server, person, days=3000 / 86_400, lifetime=3600 / 86_400)
        answer = get_session(server, by_cookie)
        left = int(cookies(answer)["better-auth.session_token"]["max-age"])
        assert 1700 < left <= 1800
        database.execute(change, (iso(begun - timedelta(hours=1)), token))
        age(server, person, days=0, lifetime=30)
        assert get_session(server, by_cookie).json() is None
        whoami = server.request("GET", "/auth/whoami", headers=person.bearer)
        assert_error(whoami, 401, "unauthorized")


def test_the_expiry_shown_is_the_absolute_one(database: Database) -> None:
    tenant = database.init()
    token = database.add_session(tenant.user_id, timedelta(days=30))
    with serving(database, HOOKSTREAM_SESSION_MAX_LIFETIME="86400") as server:
        shown = get_session(server, {"Authorization": f"Bearer {token}"}).json()["session"]
    lasts = datetime.fromisoformat(shown["expiresAt"]) - datetime.fromisoformat(shown["createdAt"])
    assert lasts == timedelta(days=1)


# How many there are


def test_one_sign_in_more_than_allowed_ends_the_oldest_session(database: Database) -> None:
    tenant = database.init()
    with serving(database, workers=2, HOOKSTREAM_MAX_SESSIONS_PER_USER="3") as server:
        tokens = [sign_in_at(server).json()["token"] for _ in range(5)]
        found = [
            get_session(server, {"Authorization": f"Bearer {token}"}).json() is not None
            for token in tokens
        ]
        assert found == [False, False, True, True, True]
    rows = database.execute(
        "select details, user_id from audit_log where action = 'session.deleted' order by seq"
    )
    assert rows == [('{"reason":"too_many_sessions"}', tenant.user_id)] * 2


# The name of the cookie


def test_the_cookie_s_name_begins_as_it_is_set(database: Database) -> None:
    tenant = database.init()
    with serving(
        database, HOOKSTREAM_COOKIE_PREFIX="acme", HOOKSTREAM_TRUSTED_PROXIES="127.0.0.1"
    ) as server:
        for proto, begins in (("http", "acme"), ("https", "__Secure-acme")):
            body = {"email": tenant.email, "password": tenant.password, "rememberMe": False}
            headers = {"X-Forwarded-Proto": proto}
            answer = server.request("POST", "/auth/sign-in/email", json=body, headers=headers)
            name = f"{begins}.session_token"
            assert set(cookies(answer)) == {name, f"{begins}.dont_remember"}
            token = answer.json()["token"]
            assert get_session(server, {"Cookie": cookie(token, name=name)}).json() is not None
            usual = name.replace("acme", "better-auth")
            assert get_session(server, {"Cookie": cookie(token, name=usual)}).json() is None
        out = server.request("POST", "/auth/sign-out")
        assert set(cookies(out)) == {"acme.session_token", "acme.dont_remember"}
        document = server.request("GET", "/openapi.json").json()
        scheme = document["components"]["securitySchemes"]["sessionCookie"]
        assert scheme["name"] == "acme.session_token"
        assert "better-auth.session_token" not in server.request("GET", "/openapi.yaml").text


# Sign out


def test_200_ends_the_session_at_once_on_every_worker(server: Server, ada: Person) -> None:
    other = sign_in(server, ada.email).json()["token"]
    headers = {"Cookie": cookie(ada.token), "Origin": server.origin}
    answer = server.request("POST", "/auth/sign-out", headers=headers)
    assert answer.json() == {"success": True}
    jar = cookies(answer)
    assert jar["better-auth.session_token"].value == ""
    assert jar["better-auth.session_token"]["max-age"] == "0"
    for _ in range(10):
        assert get_session(server, ada.bearer).json() is None
        answer = server.request("GET", "/organizations", headers=ada.bearer)
        assert_error(answer, 401, "unauthorized")
    assert server.database.actions("user_id", ada.id)[-1] == "session.deleted"
    assert get_session(server, {"Authorization": f"Bearer {other}"}).json() is not None


@pytest.mark.parametrize("content", [None, {}, {"callbackURL": "/"}])
def test_200_is_a_success_without_a_session(server: Server, content: Any) -> None:
    more = {} if content is None else {"json": content}
    answer = server.request("POST", "/auth/sign-out", **more)
    assert (answer.status_code, answer.json()) == (200, {"success": True})


def test_403_another_site_cannot_sign_a_user_out(server: Server, ada: Person) -> None:
    for more in ({}, {"Origin": "https://evil.example"}):
        headers = {"Cookie": cookie(ada.token), **more}
        answer = server.request("POST", "/auth/sign-out", headers=headers)
        assert_error(answer, 403, "untrusted_origin", "header/origin")
        assert "set-cookie" not in answer.headers
    assert get_session(server, ada.bearer).json() is not None


def test_503_when_the_database_is_gone(database: Database) -> None:
    tenant: Tenant = database.init()
    with serving(database) as server:
        token = sign_in(server, tenant.email, tenant.password).json()["token"]
        database.execute('alter table "session" rename to elsewhere')
        headers = {"Authorization": f"Bearer {token}"}
        for answer in (
            get_session(server, headers),
            server.request("POST", "/auth/sign-out", headers=headers),
        ):
            assert_error(answer, 503, "unavailable")
