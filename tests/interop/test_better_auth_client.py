"""better-auth's own client at this server; the same users and answers on both sides."""

import json
import re
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from interop.better_auth import BetterAuth
from support import Server

pytestmark = pytest.mark.server(workers=2, HOOKSTREAM_SIGN_UP="open")


CLIENT = Path(__file__).with_name("better_auth_client.mjs")
PASSWORD = "correct horse \N{SNOWMAN} battery"

#: What the client gives for each step: data, or an error.
Client = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def client(node: str, node_modules: Path) -> Client:
    """Run the client's steps at an address, one after another."""

    def run(origin: str, path: str, keeps: str, email: str, *steps: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            [node, str(CLIENT), origin, path, keeps, email, PASSWORD, *steps],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        given: list[dict[str, Any]] = json.loads(done.stdout)
        return given

    return run


@pytest.fixture
def email() -> str:
    return f"{secrets.token_hex(8)}@example.com"


@pytest.mark.parametrize("keeps", ["cookies", "token"])
def test_the_client_signs_up_in_and_out_at_this_server(
    client: Client, server: Server, email: str, keeps: str
) -> None:
    up, first, out, signed_out, again, second = client(
        server.origin, "/v1/auth", keeps, email,
        "signUp", "getSession", "signOut", "getSession", "signIn", "getSession",
    )  # fmt: skip
    for given in (up, first, out, signed_out, again, second):
        assert given["error"] is None
    assert up["data"]["user"]["email"] == email
    assert first["data"]["user"] == up["data"]["user"]
    assert first["data"]["session"]["token"] == up["data"]["token"]
    assert out["data"] == {"success": True}
    assert signed_out["data"] is None
    assert again["data"]["user"] == up["data"]["user"]
    assert second["data"]["session"]["token"] == again["data"]["token"] != up["data"]["token"]


def test_the_client_gets_better_auth_s_errors(
    client: Client, server: Server, better_auth: BetterAuth, email: str
) -> None:
    # Here it is a conflict, which every client knows to be no error of its request's form.
    for origin, path, who, in_use in (
        (server.origin, "/v1/auth", f"a{email}", 409),
        (better_auth.url, "/api/auth", f"b{email}", 422),
    ):
        refused, up, twice = client(origin, path, "cookies", who, "signIn", "signUp", "signUp")
        assert up["error"] is None
        for given, status, code, message in (
            (refused, 401, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password"),
            (
                twice,
                in_use,
                "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL",
                "User already exists. Use another email.",
            ),
        ):
            found = given["error"]
            assert given["data"] is None
            assert (found["status"], found["code"], found["message"]) == (status, code, message)


@pytest.mark.parametrize("here_first", [True, False])
def test_a_user_of_either_side_signs_in_on_the_other(
    client: Client, server: Server, better_auth: BetterAuth, email: str, *, here_first: bool
) -> None:
    sides = [(server.origin, "/v1/auth"), (better_auth.url, "/api/auth")]
    one, other = sides if here_first else sides[::-1]
    (up,) = client(*one, "cookies", email, "signUp")
    signed_in, session = client(*other, "cookies", email, "signIn", "getSession")
    assert signed_in["error"] is None
    assert signed_in["data"]["user"] == up["data"]["user"]
    assert session["data"]["session"]["token"] == signed_in["data"]["token"]
    (refused,) = client(*other, "cookies", email.replace("@", "x@"), "signIn")
    assert refused["error"]["status"] == 401


# The same request, the same answer


def ask(origin: str, path: str, body: dict[str, Any] | None, cookie: str = "") -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=20) as plain:
        return plain.request(
            "GET" if body is None else "POST",
            origin + path,
            headers={"Origin": origin, "User-Agent": "test"}
            | ({"Cookie": cookie} if cookie else {}),
            json=body,
        )


def shape(value: Any) -> Any:
    """What a JSON value is like, whatever is in it."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value):
        return "time"
    return type(value).__name__


def cookie_fields(answer: httpx.Response) -> dict[str, tuple[bool, set[str]]]:
    """The session's cookies: by its name whether it has a value, and its attributes."""
    found = {}
    for field in answer.headers.get_list("set-cookie"):
        first, *attributes = field.split("; ")
        name, _, value = first.partition("=")
        # A cookie that it has for itself.
        if name != "better-auth.session_data":
            found[name] = (bool(value), set(attributes))
    return found


def test_the_answers_are_better_auths_own(
    server: Server, better_auth: BetterAuth, email: str
) -> None:
    seen = []
    for origin, path, who in (
        (server.origin, "/v1/auth", f"a{email}"),
        (better_auth.url, "/api/auth", f"b{email}"),
    ):
        up = {"name": "Ada", "email": who, "password": PASSWORD}
        password = {"email": who, "password": PASSWORD}
        signed_up = ask(origin, f"{path}/sign-up/email", up)
        session = signed_up.headers["set-cookie"].partition(";")[0]
        answers = [
            signed_up,
            ask(origin, f"{path}/sign-in/email", {**password, "callbackURL": "/there"}),
            ask(origin, f"{path}/sign-in/email", {**password, "rememberMe": False}),
            ask(origin, f"{path}/get-session", None, session),
            ask(origin, f"{path}/get-session", None),
            ask(origin, f"{path}/sign-out", {}, session),
            ask(origin, f"{path}/get-session", None, session),
        ]
        seen.append([
            (
                answer.status_code,
                shape(answer.json()),
                answer.headers["content-type"],
                {
                    name: fields
                    for name, fields in cookie_fields(answer).items()
                    # It clears what a browser may still have; we say so each time.
                    if name == "better-auth.session_token" or fields[0]
                },
                bool(answer.headers.get("set-auth-token")),
            )
            for answer in answers
        ])  # fmt: skip
    ours, theirs = seen
    # It also takes the cookie from a browser whose session it does not find.
    assert theirs[-1][3].pop("better-auth.session_token")[0] is False
    assert ours == theirs
