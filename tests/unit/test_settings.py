import os
import secrets
import stat
import threading
import traceback
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from hookstream_keys.settings import Settings, SettingsError, signing_secrets

SECRET = "0123456789abcdef0123456789abcdef"

# Each variable with a value that is not its default.
VALUES = {
    "HOOKSTREAM_DATABASE": "sqlite:////srv/keys, and more.db",
    "HOOKSTREAM_HOST": "::1",
    "HOOKSTREAM_PORT": "0",
    "HOOKSTREAM_WORKERS": "256",
    "BETTER_AUTH_SECRET": SECRET,
    "BETTER_AUTH_SECRETS": "2:" + "n" * 32 + ",1:" + "o" * 32,
    "HOOKSTREAM_PUBLIC_URL": "https://example.com:8443/keys",
    "HOOKSTREAM_TRUSTED_ORIGINS": "https://console.example.com,http://[::1]:3000",
    "HOOKSTREAM_TRUSTED_PROXIES": "10.0.0.1,10.0.0.2",
    "HOOKSTREAM_SIGN_UP": "open",
    "HOOKSTREAM_SIGN_IN": "closed",
    "HOOKSTREAM_REQUIRE_EMAIL_VERIFICATION": "on",
    "HOOKSTREAM_SINGLE_DATABASE": "on",
    "HOOKSTREAM_READ_REPLICAS": "postgresql://keys@standby/keys",
    "HOOKSTREAM_ADD_UNVERIFIED_MEMBERS": "on",
    "HOOKSTREAM_SESSION_EXPIRES_IN": "3600",
    "HOOKSTREAM_SESSION_UPDATE_AGE": "0",
    "HOOKSTREAM_SESSION_MAX_LIFETIME": "2592000",
    "HOOKSTREAM_MAX_SESSIONS_PER_USER": "off",
    "HOOKSTREAM_MAX_ORGANIZATIONS_PER_USER": "1",
    "HOOKSTREAM_MAX_MEMBERS_PER_ORGANIZATION": "off",
    "HOOKSTREAM_MAX_ENVIRONMENTS_PER_ORGANIZATION": "100000",
    "HOOKSTREAM_MAX_KEYS_PER_ENVIRONMENT": "off",
    "HOOKSTREAM_MAX_ROTATIONS_PER_KEY": "1",
    "HOOKSTREAM_COOKIE_PREFIX": "acme_auth.v2",
    "HOOKSTREAM_RETENTION_SESSIONS": "7",
    "HOOKSTREAM_RETENTION_VERIFICATIONS": "off",
    "HOOKSTREAM_RETENTION_IDEMPOTENCY": "30",
    "HOOKSTREAM_RETENTION_ROTATIONS": "0",
    "HOOKSTREAM_RETENTION_ENVIRONMENTS": "off",
    "HOOKSTREAM_RATE_LIMIT": "60",
    "HOOKSTREAM_VERIFICATION_RATE_LIMIT": "off",
    "HOOKSTREAM_MAX_BODY_BYTES": "1024",
    "HOOKSTREAM_MAX_HEADER_BYTES": "2048",
    "HOOKSTREAM_CLIENT_TIMEOUT": "5",
    "HOOKSTREAM_KEEP_ALIVE_TIMEOUT": "90",
    "HOOKSTREAM_VALIDATE_RESPONSES": "on",
    "HOOKSTREAM_LOG_LEVEL": "debug",
}


# All that can be set at once: to sign up is to sign in.
TOGETHER = VALUES | {"HOOKSTREAM_SIGN_IN": "open"}


def test_every_variable_is_tested_here() -> None:
    assert {item.metadata["variable"] for item in fields(Settings)} == set(VALUES)


def test_every_variable_says_what_it_is_about() -> None:
    assert all(item.metadata["about"] for item in fields(Settings))


@pytest.mark.parametrize("variable", VALUES)
def test_a_variable_is_read_and_written_again(variable: str) -> None:
    settings = Settings.from_environment({variable: VALUES[variable]})
    assert settings != Settings()
    written = settings.to_environment()
    assert written[variable] == VALUES[variable]
    assert Settings.from_environment(written) == settings


def test_all_variables_together_are_read_and_written_again() -> None:
    assert Settings.from_environment(TOGETHER).to_environment() == TOGETHER


def test_the_defaults_are_written_and_read_again() -> None:
    assert Settings.from_environment(Settings().to_environment()) == Settings()


def test_nothing_set_and_everything_empty_are_the_defaults() -> None:
    assert Settings.from_environment({}) == Settings()
    assert Settings.from_environment(dict.fromkeys(VALUES, "")) == Settings()


def test_the_values_arrive() -> None:
    settings = Settings.from_environment(TOGETHER)
    assert settings.trusted_origins == ("https://console.example.com", "http://[::1]:3000")
    assert settings.max_body_bytes == 1024
    assert settings.validate_responses is True
    assert settings.auth_secret == SECRET


def test_a_list_may_have_spaces_and_end_with_a_comma() -> None:
    text = " https://a.example , https://b.example,"
    settings = Settings.from_environment({"HOOKSTREAM_TRUSTED_ORIGINS": text})
    assert settings.trusted_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://keys.example.com", "https://keys.example.com"),
        ("http://[::1]:8080/a/b", "http://[::1]:8080"),
        ("https://example.com:80/v1.2", "https://example.com:80"),
        ("https://example.com:65535/v1/keys", "https://example.com:65535"),
    ],
)
def test_the_origin_of_the_public_url_is_accepted(url: str, origin: str) -> None:
    environment = {PUBLIC: url, ORIGINS: "https://console.example.com"}
    accepted = Settings.from_environment(environment).accepted_origins
    assert accepted == (origin, "https://console.example.com")
    assert Settings().accepted_origins == ()


@pytest.mark.parametrize("word", ["on", "ON", "true", "True", "yes", "1"])
def test_words_for_on(word: str) -> None:
    environment = {"HOOKSTREAM_VALIDATE_RESPONSES": word}
    assert Settings.from_environment(environment).validate_responses is True


@pytest.mark.parametrize("word", ["off", "OFF", "false", "no", "0"])
def test_words_for_off(word: str) -> None:
    environment = {"HOOKSTREAM_VALIDATE_RESPONSES": word}
    assert Settings.from_environment(environment).validate_responses is False


ORIGINS = "HOOKSTREAM_TRUSTED_ORIGINS"
PUBLIC = "HOOKSTREAM_PUBLIC_URL"
REPLICAS = "HOOKSTREAM_READ_REPLICAS"
BODY = "HOOKSTREAM_MAX_BODY_BYTES"


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("HOOKSTREAM_PORT", "65536"),
        ("HOOKSTREAM_PORT", "-1"),
        ("HOOKSTREAM_PORT", "http"),
        ("HOOKSTREAM_WORKERS", "0"),
        ("HOOKSTREAM_WORKERS", "257"),
        (BODY, "0"),
        (BODY, "-1"),
        (BODY, "+1"),
        (BODY, "1.5"),
        (BODY, "1_000"),
        (BODY, "64k"),
        (BODY, " 1"),
        (BODY, "\N{SUPERSCRIPT TWO}"),
        (BODY, "\N{ARABIC-INDIC DIGIT ONE}"),
        (BODY, "9" * 5000),
        (BODY, "1023"),
        ("HOOKSTREAM_MAX_HEADER_BYTES", "many"),
        ("HOOKSTREAM_MAX_HEADER_BYTES", "1"),
        ("HOOKSTREAM_VALIDATE_RESPONSES", "maybe"),
        ("HOOKSTREAM_VALIDATE_RESPONSES", "2"),
        ("HOOKSTREAM_LOG_LEVEL", "loud"),
        ("HOOKSTREAM_LOG_LEVEL", "critical"),
        ("HOOKSTREAM_SIGN_IN", "Closed"),
        ("HOOKSTREAM_SIGN_UP", "on"),
        ("HOOKSTREAM_REQUIRE_EMAIL_VERIFICATION", "yes please"),
        ("HOOKSTREAM_RATE_LIMIT", "0"),
        ("HOOKSTREAM_RATE_LIMIT", "none"),
        ("HOOKSTREAM_VERIFICATION_RATE_LIMIT", "0"),
        ("HOOKSTREAM_SESSION_EXPIRES_IN", "0"),
        ("HOOKSTREAM_SESSION_EXPIRES_IN", "off"),
        ("HOOKSTREAM_SESSION_EXPIRES_IN", "7d"),
        ("HOOKSTREAM_SESSION_EXPIRES_IN", "1000000000"),
        ("HOOKSTREAM_SESSION_UPDATE_AGE", "-1"),
        ("HOOKSTREAM_SESSION_UPDATE_AGE", "off"),
        ("HOOKSTREAM_SESSION_MAX_LIFETIME", "0"),
        ("HOOKSTREAM_MAX_SESSIONS_PER_USER", "0"),
        ("HOOKSTREAM_MAX_ORGANIZATIONS_PER_USER", "0"),
        ("HOOKSTREAM_MAX_MEMBERS_PER_ORGANIZATION", "-1"),
        ("HOOKSTREAM_MAX_ENVIRONMENTS_PER_ORGANIZATION", "none"),
        ("HOOKSTREAM_MAX_KEYS_PER_ENVIRONMENT", "1e6"),
        ("HOOKSTREAM_MAX_ROTATIONS_PER_KEY", "unlimited"),
        ("HOOKSTREAM_RETENTION_SESSIONS", "1.5"),
        ("HOOKSTREAM_RETENTION_SESSIONS", "100000"),
        # An answer is promised to be replayed for a day.
        ("HOOKSTREAM_RETENTION_IDEMPOTENCY", "0"),
        ("HOOKSTREAM_RETENTION_ROTATIONS", "never"),
        ("HOOKSTREAM_COOKIE_PREFIX", "__Host-acme"),
        ("HOOKSTREAM_COOKIE_PREFIX", "acme auth"),
        ("HOOKSTREAM_COOKIE_PREFIX", "acme=auth"),
        ("HOOKSTREAM_COOKIE_PREFIX", "acme;auth"),
        ("HOOKSTREAM_COOKIE_PREFIX", "x" * 65),
        ("HOOKSTREAM_TRUSTED_PROXIES", "*"),
        ("HOOKSTREAM_TRUSTED_PROXIES", "nginx"),
        ("HOOKSTREAM_TRUSTED_PROXIES", "127.0.0.1,*"),
        ("HOOKSTREAM_TRUSTED_PROXIES", "127.1"),
        ("HOOKSTREAM_TRUSTED_PROXIES", "0x7f.1"),
        ("HOOKSTREAM_TRUSTED_PROXIES", "10.0.0.1, 10.0.0.1/8"),
        ("HOOKSTREAM_CLIENT_TIMEOUT", "0"),
        ("HOOKSTREAM_KEEP_ALIVE_TIMEOUT", "0"),
        (PUBLIC, "keys.example.com"),
        (PUBLIC, "https://keys.example.com/"),
        (PUBLIC, "https://keys.example.com/v2/"),
        (PUBLIC, "https://keys.example.com//keys"),
        (PUBLIC, "https://keys.example.com/a/../b"),
        (PUBLIC, "https://keys.example.com/."),
        (PUBLIC, "https://keys.example.com/keys?a=b"),
        (PUBLIC, "https://keys.example.com#a"),
        (PUBLIC, "https://keys.example.com/it's"),
        (PUBLIC, "https://keys.example.com:443"),
        (PUBLIC, "http://keys.example.com:80/keys"),
        (PUBLIC, "https://ada@keys.example.com"),
        (PUBLIC, "https://Keys.example.com"),
        (PUBLIC, "ftp://keys.example.com"),
        (PUBLIC, "https://keys.example.com\n"),
        (PUBLIC, "https://keys.example.com:99999"),
        (PUBLIC, "https://keys.example.com:65536/keys"),
        (PUBLIC, "https://keys.example.com:0"),
        (PUBLIC, "https://keys.example.com:08443"),
        (PUBLIC, "https://keys.example.com/v1"),
        (PUBLIC, "https://example.com/keys/v1"),
        (ORIGINS, "console.example.com"),
        (ORIGINS, "//console.example.com"),
        (ORIGINS, "https://"),
        (ORIGINS, "https://console.example.com/"),
        (ORIGINS, "https://console.example.com/app"),
        (ORIGINS, "https://console.example.com?"),
        (ORIGINS, "https://console.example.com#"),
        (ORIGINS, "https://Console.example.com"),
        (ORIGINS, "HTTPS://console.example.com"),
        (ORIGINS, "ftp://console.example.com"),
        (ORIGINS, "null"),
        (ORIGINS, "*"),
        (ORIGINS, "https://valid.example,bad.example"),
        (ORIGINS, "https://["),
        (ORIGINS, "https://user@console.example.com"),
        (ORIGINS, "https://console.example.com:port"),
        (ORIGINS, "https://console.example.com:"),
        (ORIGINS, "https://console.example.com:65536"),
        (ORIGINS, "https://console example.com"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(variable: str, text: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        Settings.from_environment({variable: text})


def test_a_message_says_what_is_accepted() -> None:
    for variable, words in (
        ("HOOKSTREAM_SIGN_IN", "one of closed, open"),
        ("HOOKSTREAM_RATE_LIMIT", "a whole number above 0, or off"),
    ):
        with pytest.raises(SettingsError, match=f"{variable} is 'x'; it takes {words}"):
            Settings.from_environment({variable: "x"})


def test_a_message_says_that_the_public_url_is_without_the_apis_own_path() -> None:
    with pytest.raises(SettingsError, match=r"a path without /v1 .*\(the server adds /v1\)"):
        Settings.from_environment({PUBLIC: "https://keys.example.com/v1"})


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        (PUBLIC, "https://ada:pass-word@keys.example.com"),
        (PUBLIC, "https://keys.example.com/keys?token=pass-word"),
        (ORIGINS, "https://a.example,https://ada:pass-word@b.example"),
        ("HOOKSTREAM_TRUSTED_PROXIES", "10.0.0.1, http://ada:pass-word@proxy"),
        ("HOOKSTREAM_TRUSTED_PROXIES", "10.0.0.1,ada:pass-word"),
        # Its first part would be read as a host.
        (REPLICAS, "postgresql://ada:pass-word/more@localhost/keys"),
        (REPLICAS, "postgresql://ada:pass-word?more@localhost/keys"),
        (REPLICAS, "postgresql://ada:pass-word#more@localhost/keys"),
    ],
)
def test_a_password_in_a_url_is_refused_and_not_shown(variable: str, text: str) -> None:
    with pytest.raises(SettingsError, match=variable) as refused:
        Settings.from_environment({variable: text})
    shown = "".join(traceback.format_exception(refused.value))
    assert "pass-word" not in shown
    # A list names the entry.
    assert variable in (PUBLIC, REPLICAS) or "entry 2 of" in shown


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("HOOKSTREAM_SIGNUP", "did you mean HOOKSTREAM_SIGN_UP?"),
        ("HOOKSTREAM_DATABSE", "did you mean HOOKSTREAM_DATABASE?"),
        ("HOOKSTREAM_PROXIES", "did you mean HOOKSTREAM_TRUSTED_PROXIES?"),
        ("HOOKSTREAM_XYZ", "README.md lists the settings"),
    ],
)
def test_a_variable_that_is_no_setting_is_refused(variable: str, meant: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment(TOGETHER | {variable: "open"})
    assert str(refused.value) == f"{variable} is not a setting: {meant}"


def test_variables_of_other_programs_and_empty_ones_are_ignored() -> None:
    others = {"BETTER_AUTH_URL": "x", "HOOKSTREAM_KEY": "x", "MY_HOOKSTREAM_A": "x"}
    assert Settings.from_environment(others | {"HOOKSTREAM_SIGNUP": ""}) == Settings()


def test_sign_up_cannot_be_open_where_sign_in_is_closed() -> None:
    with pytest.raises(SettingsError, match="HOOKSTREAM_SIGN_UP is open while HOOKSTREAM_SIGN_IN"):
        Settings.from_environment(VALUES)


def test_repr_does_not_show_the_secret() -> None:
    shown = repr(Settings.from_environment(TOGETHER))
    assert SECRET not in shown
    assert "debug" in shown


# The secret file


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "keys.db"


@pytest.fixture
def secret_file(database: Path) -> Path:
    return database.with_name("keys.db.secret")


@pytest.fixture
def _no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_secret_that_is_set_is_used_and_not_stored(database: Path, secret_file: Path) -> None:
    assert signing_secrets(Settings(auth_secret=SECRET), database) == (SECRET,)
    assert not secret_file.exists()


def test_the_newest_secret_comes_first_and_the_single_one_last(database: Path) -> None:
    new, old = "n" * 32, "o:" + "o" * 32
    settings = Settings.from_environment(
        {"BETTER_AUTH_SECRETS": f" 7: {new} , 2:{old},", "BETTER_AUTH_SECRET": SECRET}
    )
    assert signing_secrets(settings, database) == (new, old, SECRET)
    assert Settings.from_environment(settings.to_environment()) == settings


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("BETTER_AUTH_SECRET", SECRET[:31]),
        ("BETTER_AUTH_SECRETS", SECRET),
        ("BETTER_AUTH_SECRETS", f"1:{SECRET},2:{SECRET[:31]}"),
        ("BETTER_AUTH_SECRETS", f"1:{SECRET},1:another{SECRET}"),
        ("BETTER_AUTH_SECRETS", f"-1:{SECRET}"),
        ("BETTER_AUTH_SECRETS", f"one:{SECRET}"),
        ("BETTER_AUTH_SECRETS", f":{SECRET}"),
        ("BETTER_AUTH_SECRETS", "1:"),
    ],
)
def test_unusable_secrets_are_refused_and_not_shown(variable: str, text: str) -> None:
    with pytest.raises(SettingsError, match=variable) as refused:
        Settings.from_environment({variable: text})
    assert SECRET[:31] not in str(refused.value)


@pytest.mark.usefixtures("_no_umask")
def test_a_secret_file_is_private_to_its_owner(database: Path, secret_file: Path) -> None:
    [secret] = signing_secrets(Settings(), database)
    assert len(secret) >= 32
    assert secret_file.read_text() == secret + "\n"
    assert stat.S_IMODE(secret_file.stat().st_mode) == 0o600


def test_a_secret_is_created_once(database: Path, secret_file: Path) -> None:
    [secret] = signing_secrets(Settings(), database)
    written = secret_file.read_bytes()
    assert signing_secrets(Settings(), database) == (secret,)
    assert secret_file.read_bytes() == written


def test_every_database_has_a_secret_of_its_own(tmp_path: Path) -> None:
    one, two = (signing_secrets(Settings(), tmp_path / name) for name in ("one.db", "two.db"))
    assert one != two


def test_nothing_but_the_secret_is_left_beside_the_database(
    database: Path, secret_file: Path
) -> None:
    signing_secrets(Settings(), database)
    assert list(database.parent.iterdir()) == [secret_file]


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"short\n", b"x" * 31 + b"\n", b"\xff" * 64],
    ids=["empty", "blank", "short", "one too few", "not text"],
)
def test_a_damaged_secret_file_is_refused_and_kept(
    database: Path, secret_file: Path, content: bytes
) -> None:
    secret_file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"keys\.db\.secret"):
        signing_secrets(Settings(), database)
    assert secret_file.read_bytes() == content


def test_a_secret_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"keys\.db\.secret"):
        signing_secrets(Settings(), tmp_path / "missing" / "keys.db")


def test_a_directory_is_no_secret_file(database: Path, secret_file: Path) -> None:
    secret_file.mkdir()
    with pytest.raises(SettingsError, match=r"keys\.db\.secret"):
        signing_secrets(Settings(), database)


def test_a_concurrent_start_gets_the_same_secret(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = secrets.token_urlsafe
    making, second_done = threading.Event(), threading.Event()
    found: list[tuple[str, ...] | Exception] = []

    def slowly(size: int) -> str:
        if not making.is_set():
            making.set()
            # With a timeout: an implementation may let the second wait for the first.
            second_done.wait(0.3)
        return make(size)

    def ask() -> None:
        try:
            found.append(signing_secrets(Settings(), database))
        except SettingsError as error:
            found.append(error)

    monkeypatch.setattr(secrets, "token_urlsafe", slowly)
    first = threading.Thread(target=ask)
    first.start()
    assert making.wait(5)
    ask()
    second_done.set()
    first.join()
    assert found[0] == found[1] == signing_secrets(Settings(), database)
