import base64
import hashlib
import hmac
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookstream_keys.auth.session_cookies import SessionCookies
from hookstream_keys.domain.signing import Signer

SECRET = "a secret that better-auth knows too"
TOKEN = "vT0uqYqcP6vJfUQb0kZ1s2xW3yR4zN5m"
# printf %s "$TOKEN" | openssl dgst -sha256 -hmac "$SECRET" -binary | base64
SIGNATURE = "i5f41t2BcB9EPX1IhUPMDIzt8pxVmPs6Wqukhh/kB68="


def sign(token: str, secret: str) -> str:
    return Signer(secret).sign(token)


def unsign(signed: str, secret: str) -> str | None:
    return Signer(secret).unsign(signed)


any_text = st.text(st.characters(exclude_categories=["Cs"]))
tokens = any_text.filter(bool)


def test_a_known_token_has_the_known_signature() -> None:
    assert sign(TOKEN, SECRET) == f"{TOKEN}.{SIGNATURE}"
    assert unsign(f"{TOKEN}.{SIGNATURE}", SECRET) == TOKEN


def test_a_fingerprint_is_of_one_secret() -> None:
    one, both = Signer(SECRET), Signer("another", SECRET)
    assert both.fingerprints() == (*Signer("another").fingerprints(), *one.fingerprints())
    assert len(set(both.fingerprints())) == 2
    assert SECRET not in one.fingerprints()[0]
    assert len(one.fingerprints()[0]) == 32


@given(token=tokens, secret=any_text)
def test_the_signature_is_base64_of_hmac_sha_256(token: str, secret: str) -> None:
    mac = hmac.new(secret.encode(), token.encode(), hashlib.sha256).digest()
    assert sign(token, secret) == token + "." + base64.b64encode(mac).decode()


@given(token=tokens, secret=any_text)
def test_what_was_signed_is_unsigned(token: str, secret: str) -> None:
    assert unsign(sign(token, secret), secret) == token


@given(tokens)
def test_a_signature_has_44_characters(token: str) -> None:
    assert len(sign(token, SECRET)) == len(token) + 1 + 44


@given(position=st.integers(0, len(TOKEN) + 44), replacement=st.characters(codec="utf-8"))
def test_any_changed_character_makes_it_no_session(position: int, replacement: str) -> None:
    signed = sign(TOKEN, SECRET)
    changed = signed[:position] + replacement + signed[position + 1 :]
    assert unsign(changed, SECRET) == (TOKEN if changed == signed else None)


@given(any_text)
def test_another_secret_makes_it_no_session(secret: str) -> None:
    expected = TOKEN if secret == SECRET else None
    assert unsign(sign(TOKEN, secret), SECRET) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        TOKEN,
        f"{TOKEN}.",
        f".{SIGNATURE}",
        SIGNATURE,
        f"{TOKEN}.{SIGNATURE[:-1]}",
        f"{TOKEN}.{SIGNATURE}=",
        f"{TOKEN}.{SIGNATURE} ",
        f"{TOKEN}.{SIGNATURE}.",
        f"x{TOKEN}.{SIGNATURE}",
        f"{TOKEN}.{quote(SIGNATURE, safe='')}",
        f"{TOKEN}.\N{LATIN SMALL LETTER E WITH ACUTE}",
    ],
)
def test_an_unsigned_cookie_is_no_session(text: str) -> None:
    assert unsign(text, SECRET) is None


@given(any_text)
def test_arbitrary_text_is_no_session(text: str) -> None:
    assert unsign(text, SECRET) is None


def test_the_signature_of_an_empty_token_is_no_session() -> None:
    assert unsign(sign("", SECRET), SECRET) is None


def test_the_last_dot_separates() -> None:
    assert unsign(sign("a.b", SECRET), SECRET) == "a.b"


def test_a_cookie_as_better_auth_writes_it_is_a_session() -> None:
    value = quote(f"{TOKEN}.{SIGNATURE}", safe="")
    header = f"theme=dark; better-auth.session_token={value}"
    assert SessionCookies(Signer(SECRET)).tokens(header) == [TOKEN]


def test_the_first_secret_signs_and_older_ones_are_accepted() -> None:
    signer = Signer("new", SECRET, "older")
    assert signer.sign(TOKEN) == sign(TOKEN, "new")
    for secret in ("new", SECRET, "older"):
        assert signer.unsign(sign(TOKEN, secret)) == TOKEN
    assert signer.unsign(sign(TOKEN, "dropped")) is None
    assert signer.derive("p", b"x") == Signer("new").derive("p", b"x")
    assert [each.derive("p", b"x") for each in signer.older] == [
        Signer(secret).derive("p", b"x") for secret in (SECRET, "older")
    ]
