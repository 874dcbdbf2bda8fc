"""What an operator can set, read from the environment once and checked before anything starts."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

DEFAULT_DATABASE = "sqlite:///hookstream.db"

#: The least that a secret file must hold; better-auth asks for as much.
SECRET_LENGTH = 32

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}
_LOG_LEVELS = {"debug", "info", "warning", "error"}


class SettingsError(Exception):
    """A setting cannot be used; the text names the variable and says what it takes."""


def _setting(variable: str, default: Any, about: str, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"variable": variable, "about": about})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting; `variable` and `about` of a field are what README's table shows."""

    database: str = _setting(
        "HOOKSTREAM_DATABASE", DEFAULT_DATABASE, "Where everything is kept: `sqlite:///FILE`."
    )
    auth_secret: str = _setting(
        "BETTER_AUTH_SECRET",
        "",
        "Signs session cookies; share it with better-auth. Without it, `init` and `serve` keep "
        "one in a file beside the database, readable by its owner only.",
        secret=True,
    )
    trusted_origins: tuple[str, ...] = _setting(
        "HOOKSTREAM_TRUSTED_ORIGINS",
        (),
        "Origins besides the server's own whose pages may make changes with a session cookie, "
        "separated by commas: `https://console.example.com`.",
    )
    trusted_proxies: str = _setting(
        "HOOKSTREAM_TRUSTED_PROXIES",
        "",
        "Addresses of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, "
        "separated by commas; nobody's without it.",
    )
    max_body_bytes: int = _setting(
        "HOOKSTREAM_MAX_BODY_BYTES", 65_536, "The largest request body; more is 413."
    )
    max_header_bytes: int = _setting(
        "HOOKSTREAM_MAX_HEADER_BYTES",
        32_768,
        "The largest request line and header together; more is 414 or 431.",
    )
    validate_responses: bool = _setting(
        "HOOKSTREAM_VALIDATE_RESPONSES",
        False,  # noqa: FBT003 - the default
        "Check every response against the specification and answer 500 when it does not hold. "
        "For testing: `on` or `off`.",
    )
    log_level: str = _setting(
        "HOOKSTREAM_LOG_LEVEL",
        "info",
        "`debug`, `info` (a line per request), `warning` or `error`.",
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings. Raises SettingsError for a value that cannot be used."""
        values: dict[str, Any] = {}
        for item in fields(cls):
            variable = item.metadata["variable"]
            text = environment.get(variable, "")
            if text:
                values[item.name] = _parse(variable, text, item.default)
        settings = cls(**values)
        if settings.log_level not in _LOG_LEVELS:
            raise SettingsError(
                f"HOOKSTREAM_LOG_LEVEL is {settings.log_level!r}; it takes one of "
                + ", ".join(sorted(_LOG_LEVELS))
            )
        for origin in settings.trusted_origins:
            _check_origin(origin)
        return settings

    def to_environment(self) -> dict[str, str]:
        """The variables that make `from_environment` give these settings again."""
        return {
            item.metadata["variable"]: _print(getattr(self, item.name)) for item in fields(self)
        }


def signing_secret(settings: Settings, database: Path) -> str:
    """`BETTER_AUTH_SECRET`, or the one kept beside the database, which is made on first use.

    The file is `<database>.secret`, mode 0600. Raises SettingsError when it can neither be
    read nor made.
    """
    if settings.auth_secret:
        return settings.auth_secret
    path = database.with_name(database.name + ".secret")
    try:
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return _read_secret(path)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            secret = secrets.token_urlsafe(32)
            file.write(secret + "\n")
            file.flush()
            os.fsync(file.fileno())
        return secret
    except OSError as error:
        raise SettingsError(f"cannot use the secret file {path}: {error.strerror}") from error


def _read_secret(path: Path) -> str:
    secret = path.read_text(encoding="utf-8").strip()
    if len(secret) < SECRET_LENGTH:
        raise SettingsError(
            f"the secret file {path} is empty or cut short; restore it, or delete it to have a new "
            "one made (every session cookie then stops working)"
        )
    return secret


def _parse(variable: str, text: str, default: Any) -> Any:
    if isinstance(default, bool):
        word = text.lower()
        if word not in _TRUE | _FALSE:
            raise SettingsError(f"{variable} is {text!r}; it takes on or off")
        return word in _TRUE
    if isinstance(default, int):
        if not (text.isascii() and text.isdigit() and int(text) > 0):
            raise SettingsError(f"{variable} is {text!r}; it takes a whole number above 0")
        return int(text)
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _print(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _check_origin(origin: str) -> None:
    parts = urlsplit(origin)
    # As a browser writes `Origin`: a scheme and a host in lower case, nothing behind them.
    plain = f"{parts.scheme}://{parts.netloc}".lower()
    if parts.scheme not in ("http", "https") or not parts.netloc or origin != plain:
        raise SettingsError(
            f"HOOKSTREAM_TRUSTED_ORIGINS has {origin!r}; an origin is a scheme, a host and perhaps "
            "a port, such as https://console.example.com"
        )
