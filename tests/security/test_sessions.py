"""Session cookies that an attacker planted, forged, cut short or combined."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from http.cookies import SimpleCookie
from urllib.parse import quote, unquote

import pytest
from security.valid_requests import Answer, Client, Headers, Maker
from support import SECRET, Server, cookie, signed

pytestmark = pytest.mark.server(HOOKSTREAM_TRUSTED_PROXIES="127.0.0.1")

NAME = "better-auth.session_token"
SECURE = f"__Secure-{NAME}"


@pytest.fixture(scope="module")
def maker(server: Server) -> Iterator[Maker]:
    made = Maker(server, server.database.tenant)
    with closing(made.client):
        yield made


@pytest.fixture(scope="module")
def token(server: Server, maker: Maker) -> str:
    return server.database.add_session(maker.tenant.user_id)


@pytest.fixture(scope="module")
def attackers(server: Server) -> str:
    """The token of another user's valid session."""
    return server.database.add_session(server.database.add_user())


def who(client: Client, headers: Headers) -> str | None:
    """Whose session it is, as the server sees it."""
    answer = client.send("GET", "/auth/whoami", headers)
    if answer.status == 401:
        return None
    assert answer.status == 200, answer.content
    found: str = answer.json()["user_id"]
    return found


def value(text: str) -> str:
    return quote(text, safe="")


def cookies_of(answer: Answer) -> SimpleCookie:
    jar: SimpleCookie = SimpleCookie()
    for field in answer.headers.get_all("set-cookie", []):
        jar.load(field)
    return jar


# Fixation


def sign_in(maker: Maker, headers: Headers) -> Answer:
    answer = maker.make("signInEmail").send({"Origin": maker.server.origin} | headers)
    assert answer.status == 200, answer.content
    return answer


def test_signing_in_issues_a_new_session_token(
    server: Server, maker: Maker, attackers: str
) -> None:
    planted = ["x" * 32, attackers]
    for text in (
        value(signed(attackers)),
        value(signed("x" * 32)),
        "x" * 32,
        value(signed("x" * 32, "a guessed secret")),
    ):
        answer = sign_in(maker, {"Cookie": f"{NAME}={text}; better-auth.dont_remember=x"})
        given = unquote(cookies_of(answer)[NAME].value)
        token = answer.json()["token"]
        assert given == signed(token)
        assert token not in planted
        planted.append(token)
        assert who(maker.client, {"Cookie": f"{NAME}={value(given)}"}) == maker.tenant.user_id
    # The planted session still belongs to its own user.
    assert who(maker.client, {"Cookie": cookie("x" * 32)}) is None
    assert who(maker.client, {"Cookie": cookie(attackers)}) != maker.tenant.user_id
    assert server.database.execute(
        'select count(*) from "session" where token = ?', ("x" * 32,)
    ) == [(0,)]


def test_a_token_cannot_be_chosen_in_any_other_place(maker: Maker) -> None:
    chosen = "y" * 32
    valid = maker.make("signInEmail")
    for query in ({"token": chosen}, {"session_token": chosen}, {NAME: chosen}):
        answer = valid.send({"Authorization": f"Bearer {chosen}"}, None, **query)
        assert chosen.encode() not in answer.content
    assert who(maker.client, {"Authorization": f"Bearer {chosen}"}) is None


def test_two_sign_ins_are_two_sessions_and_signing_out_ends_one(maker: Maker) -> None:
    first, second = (sign_in(maker, {}).json()["token"] for _ in range(2))
    assert first != second
    assert re.fullmatch(r"[A-Za-z0-9]{32}", first)
    answer = maker.client.send(
        "POST", "/auth/sign-out", {"Cookie": cookie(first), "Origin": maker.server.origin}
    )
    assert answer.status == 200
    assert cookies_of(answer)[NAME]["max-age"] == "0"
    # It is over at the server, whatever a browser still has.
    assert who(maker.client, {"Cookie": cookie(first)}) is None
    assert who(maker.client, {"Cookie": cookie(second)}) == maker.tenant.user_id


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(maker: Maker) -> None:
    for proto, name, secure in (("http", NAME, False), ("https", SECURE, True)):
        origin = f"{proto}://{maker.server.address[0]}:{maker.server.address[1]}"
        answer = sign_in(maker, {"X-Forwarded-Proto": proto, "Origin": origin})
        found = cookies_of(answer)[name]
        assert (found["httponly"], found["samesite"], found["path"]) == (True, "Lax", "/")
        assert bool(found["secure"]) is secure
        # A cookie without a domain is its host's only.
        assert found["domain"] == ""
        assert len(cookies_of(answer)) == 2


# Tossing: other hosts of the domain, and other paths, set cookies of the same name.


def test_session_cookies_of_two_users_authenticate_neither(
    maker: Maker, token: str, attackers: str
) -> None:
    mine, theirs = (f"{NAME}={value(signed(each))}" for each in (token, attackers))
    assert who(maker.client, {"Cookie": mine}) == maker.tenant.user_id
    assert who(maker.client, {"Cookie": theirs}) is not None
    for header in (f"{mine}; {theirs}", f"{theirs}; {mine}", f"{theirs};a=b;{mine}"):
        assert who(maker.client, {"Cookie": header}) is None
    # With the prefix, which only https can set, as well.
    mine, theirs = (each.replace(NAME, SECURE) for each in (mine, theirs))
    for header in (f"{mine}; {theirs}", f"{theirs}; {mine}"):
        assert who(maker.client, {"Cookie": header}) is None


def test_an_invalid_cookie_does_not_hide_a_valid_session(maker: Maker, token: str) -> None:
    mine = f"{NAME}={value(signed(token))}"
    for junk in ("x", value(signed("z" * 32)), value(signed(token, "another secret")), "", "%00"):
        for header in (f"{NAME}={junk}; {mine}", f"{mine}; {NAME}={junk}", f"{mine}; {mine}"):
            assert who(maker.client, {"Cookie": header}) == maker.tenant.user_id


def test_the_cookie_that_only_https_can_set_decides(
    maker: Maker, token: str, attackers: str
) -> None:
    # Without the prefix any attacker on the network can plant one over http.
    header = f"{NAME}={value(signed(attackers))}; {SECURE}={value(signed(token))}"
    assert who(maker.client, {"Cookie": header}) == maker.tenant.user_id
    # A cookie with the prefix that is invalid does not make room for one without.
    header = f"{SECURE}=x; {NAME}={value(signed(attackers))}"
    assert who(maker.client, {"Cookie": header}) is None


@pytest.mark.parametrize(
    "name",
    [
        f"__Host-{NAME}",
        f"__secure-{NAME}",
        NAME.upper(),
        f" {NAME} x",
        f"{NAME}2",
        NAME.replace(".", "_"),
        "session_token",
        "%62etter-auth.session_token",
    ],
)
def test_a_cookie_of_another_name_is_no_session(maker: Maker, token: str, name: str) -> None:
    assert who(maker.client, {"Cookie": f"{name}={value(signed(token))}"}) is None


# Signatures


def mac(algorithm: Callable[..., "hashlib._Hash"], text: str, secret: str = SECRET) -> bytes:
    return hmac.new(secret.encode(), text.encode(), algorithm).digest()


def forgeries(token: str, other: str) -> dict[str, str]:
    valid = signed(token)
    signature = valid.rpartition(".")[2]
    claims = base64.urlsafe_b64encode(json.dumps({"token": token}).encode()).decode()
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode()
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    return {
        "stripped": token,
        "an empty signature": f"{token}.",
        "only the signature": f".{signature}",
        "cut by one": valid[:-1],
        "cut by its padding": valid.rstrip("="),
        "cut in half": valid[: len(token) + 22],
        "padded more": f"{valid}=",
        "changed": f"{token}.{flipped}",
        "of another token": f"{other}.{signature}",
        "another token's": f"{token}.{signed(other).rpartition('.')[2]}",
        "twice": f"{token}.{signature}.{signature}",
        "of another secret": signed(token, "another secret"),
        "of no secret": signed(token, ""),
        "SHA-1": f"{token}.{base64.b64encode(mac(hashlib.sha1, token)).decode()}",
        "SHA-512": f"{token}.{base64.b64encode(mac(hashlib.sha512, token)).decode()}",
        "SHA-256 without a key": token
        + "."
        + base64.b64encode(hashlib.sha256((SECRET + token).encode()).digest()).decode(),
        "hexadecimal": f"{token}.{mac(hashlib.sha256, token).hex()}",
        "URL-safe letters": f"{token}.-_{signature[2:]}",
        "a token's letters in another case": signed(token).swapcase(),
        "signed in another case": f"{token.swapcase()}.{signature}",
        "a JSON Web Token of no algorithm": f"{none}.{claims}.",
        "a zero byte behind": f"{valid}\0",
        "a space behind": f"{valid} ",
        "a line end behind": f"{valid}\n",
        "a wildcard": signed("%"),
        "a quote": signed("' or 1=1 --"),
    }


@pytest.mark.parametrize("name", forgeries("t" * 32, "o" * 32))
def test_a_signature_must_match_to_the_last_character(
    server: Server, maker: Maker, token: str, attackers: str, name: str
) -> None:
    text = forgeries(token, attackers)[name]
    assert who(maker.client, {"Cookie": f"{NAME}={value(text)}"}) is None
    assert who(maker.client, {"Cookie": f"{SECURE}={value(text)}"}) is None
    assert who(maker.client, {"Cookie": f"{NAME}={value(signed(token))}"}) is not None


def test_a_cookie_is_decoded_once(maker: Maker, token: str) -> None:
    twice = value(value(signed(token)))
    assert who(maker.client, {"Cookie": f"{NAME}={twice}"}) is None


def test_a_signed_bearer_token_needs_a_valid_signature(
    maker: Maker, token: str, attackers: str
) -> None:
    assert who(maker.client, {"Authorization": f"Bearer {signed(token)}"}) is not None
    for name, text in forgeries(token, attackers).items():
        if name in ("stripped", "a zero byte behind", "a space behind", "a line end behind"):
            # better-auth takes the token alone, too; the others are no header at all, or trimmed.
            continue
        assert who(maker.client, {"Authorization": f"Bearer {value(text)}"}) is None, name
