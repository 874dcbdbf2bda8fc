"""The operator's settings, read from the environment once and checked before anything starts."""

import difflib
import ipaddress
import os
import re
import secrets
import shlex
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from hookstream_keys.domain.durable import fsync_directory
from hookstream_keys.domain.quotas import Quotas
from hookstream_keys.domain.setting_kinds import (
    BYTES,
    COOKIE_PREFIX,
    DAYS_FROM_0_OR_OFF,
    DAYS_OR_OFF,
    NUMBER_OR_OFF,
    ORIGIN,
    PORT,
    POSITIVE,
    POSTGRESQL_URL,
    PUBLIC_URL,
    SECONDS,
    SECONDS_FROM_0,
    SECONDS_OR_OFF,
    WORKERS,
    Takes,
    number,
    one_of,
)

DEFAULT_DATABASE = "sqlite:///hookstream.db"
DEFAULT_COOKIE_PREFIX = "better-auth"

#: What the names of settings begin with, besides better-auth's own.
PREFIX = "HOOKSTREAM_"
#: Variables that this project's examples read, perhaps in the same shell: the base URL and the key
#: of an application, and the path of this command.
OF_CLIENTS = frozenset({"HOOKSTREAM_URL", "HOOKSTREAM_KEY", "HOOKSTREAM_KEYS"})

#: The minimum length of a secret, as in better-auth.
SECRET_LENGTH = 32

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}
_VERSION = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_NUMBER = re.compile(POSITIVE, re.ASCII)


class SettingsError(Exception):
    """A setting cannot be used; the text names the variable and what it accepts."""


def _setting(
    variable: str, default: Any, about: str, *, takes: Takes | None = None, secret: bool = False
) -> Any:
    metadata = {"variable": variable, "about": about, "takes": takes}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting; `variable` and `about` of a field are what README's table shows."""

    database: str = _setting(
        "HOOKSTREAM_DATABASE",
        DEFAULT_DATABASE,
        "The database: `sqlite:///FILE`, or "
        "`postgresql://USER@HOST/NAME` ([docs/scaling.md](docs/scaling.md)).",
    )
    single_database: bool = _setting(
        "HOOKSTREAM_SINGLE_DATABASE",
        False,  # noqa: FBT003 - the default
        "That PostgreSQL has one machine and never fails over, so that `serve` needs no "
        "synchronous standby, and commands read without having a change confirmed: `on` or `off`.",
    )
    read_replicas: str = _setting(
        "HOOKSTREAM_READ_REPLICAS",
        "",
        "Standbys of PostgreSQL that look-ups are asked of, `postgresql://USER@HOST1,HOST2/NAME`; "
        "they have to confirm every change ([docs/scaling.md](docs/scaling.md#read-replicas)). "
        "Default: the primary is asked.",
        takes=POSTGRESQL_URL,
        secret=True,
    )
    host: str = _setting("HOOKSTREAM_HOST", "127.0.0.1", "The address that `serve` listens on.")
    port: str = _setting(
        "HOOKSTREAM_PORT",
        "8080",
        "The port that `serve` listens on; 0 chooses a free one. Without it `PORT`, which hosting "
        "platforms set, has the same meaning.",
        takes=PORT,
    )
    workers: str = _setting(
        "HOOKSTREAM_WORKERS", "1", "The number of `serve`'s processes.", takes=WORKERS
    )
    auth_secret: str = _setting(
        "BETTER_AUTH_SECRET",
        "",
        "Signs session cookies, and seals backups; 32 characters or more. Share it with "
        "better-auth. Default: `init` and `serve` create one in a file beside the database, "
        "readable by its owner only.",
        secret=True,
    )
    auth_secrets: tuple[str, ...] = _setting(
        "BETTER_AUTH_SECRETS",
        (),
        "For rotating the secret, as in better-auth: `2:NEW,1:OLD`. The first signs; signatures "
        "by the others and by `BETTER_AUTH_SECRET` are accepted.",
        secret=True,
    )
    public_url: str = _setting(
        "HOOKSTREAM_PUBLIC_URL",
        "",
        "The URL under which clients reach this server, without `/v1`: `https://keys.example.com`, "
        "or `https://example.com/keys` below a path. The document's `servers` and code samples "
        "name it, and its origin is the server's own. Default: `/v1` at any host.",
        takes=PUBLIC_URL,
    )
    trusted_origins: tuple[str, ...] = _setting(
        "HOOKSTREAM_TRUSTED_ORIGINS",
        (),
        "Origins besides the server's own whose pages may use the API in a browser, with the "
        "session cookie (CORS), separated by commas: `https://console.example.com`.",
    )
    trusted_proxies: str = _setting(
        "HOOKSTREAM_TRUSTED_PROXIES",
        "",
        "Addresses or networks of proxies whose `X-Forwarded-For`, `X-Forwarded-Proto` and "
        "`X-Forwarded-Prefix` are trusted, separated by commas; `unix` for all that connect to a "
        "Unix socket. Lists are read from their end. Default: none.",
    )
    sign_up: str = _setting(
        "HOOKSTREAM_SIGN_UP",
        "closed",
        "`open` lets any user sign up, with an organization of their own; `closed` lets none.",
        takes=one_of("open", "closed"),
    )
    sign_in: str = _setting(
        "HOOKSTREAM_SIGN_IN",
        "open",
        "`closed` disables sign-in by password, for users who sign in at their better-auth only; "
        "`open` enables it.",
        takes=one_of("open", "closed"),
    )
    require_email_verification: bool = _setting(
        "HOOKSTREAM_REQUIRE_EMAIL_VERIFICATION",
        False,  # noqa: FBT003 - the default
        "Refuse sign-in by password to users whose email address is not verified, and make no "
        "session at sign-up, as better-auth's `requireEmailVerification` does: `on` or `off`.",
    )
    add_unverified_members: bool = _setting(
        "HOOKSTREAM_ADD_UNVERIFIED_MEMBERS",
        False,  # noqa: FBT003 - the default
        "Let users become members whose email address is not verified, for installations that "
        "know who signs up: `on` or `off`.",
    )
    session_expires_in: str = _setting(
        "HOOKSTREAM_SESSION_EXPIRES_IN",
        "",
        "Seconds that a session lasts after it was made or renewed: better-auth's "
        "`session.expiresIn`. Default: sessions made here last 604800, and every session is "
        "renewed by its own lifetime.",
        takes=SECONDS,
    )
    session_update_age: str = _setting(
        "HOOKSTREAM_SESSION_UPDATE_AGE",
        "86400",
        "Seconds after which using a session renews it: better-auth's `session.updateAge`.",
        takes=SECONDS_FROM_0,
    )
    session_max_lifetime: str = _setting(
        "HOOKSTREAM_SESSION_MAX_LIFETIME",
        "off",
        "Seconds after which a session ends however often it was renewed, also one that "
        "better-auth made. `off` for no maximum.",
        takes=SECONDS_OR_OFF,
    )
    max_sessions_per_user: str = _setting(
        "HOOKSTREAM_MAX_SESSIONS_PER_USER",
        "100",
        "The maximum number of sessions of a user; one more sign-in ends the least recently used. "
        "`off` for no limit.",
        takes=NUMBER_OR_OFF,
    )
    max_organizations_per_user: str = _setting(
        "HOOKSTREAM_MAX_ORGANIZATIONS_PER_USER",
        "1000",
        "Quota: the maximum number of organizations that a user is a member of; one more is 409. "
        "`off` for no limit, here and below.",
        takes=NUMBER_OR_OFF,
    )
    max_members_per_organization: str = _setting(
        "HOOKSTREAM_MAX_MEMBERS_PER_ORGANIZATION",
        "1000",
        "Quota: the maximum number of members of an organization.",
        takes=NUMBER_OR_OFF,
    )
    max_environments_per_organization: str = _setting(
        "HOOKSTREAM_MAX_ENVIRONMENTS_PER_ORGANIZATION",
        "1000",
        "Quota: the maximum number of environments of an organization, without deleted ones.",
        takes=NUMBER_OR_OFF,
    )
    max_keys_per_environment: str = _setting(
        "HOOKSTREAM_MAX_KEYS_PER_ENVIRONMENT",
        "10000",
        "Quota: the maximum number of keys of an environment that are neither revoked nor expired.",
        takes=NUMBER_OR_OFF,
    )
    max_rotations_per_key: str = _setting(
        "HOOKSTREAM_MAX_ROTATIONS_PER_KEY",
        "20",
        "Quota: the maximum number of rotations of a key that are pending or in their grace "
        "period, and so of old secrets that are accepted.",
        takes=NUMBER_OR_OFF,
    )
    cookie_prefix: str = _setting(
        "HOOKSTREAM_COOKIE_PREFIX",
        DEFAULT_COOKIE_PREFIX,
        "The prefix of session cookies' names: better-auth's `advanced.cookiePrefix`.",
        takes=COOKIE_PREFIX,
    )
    retention_sessions: str = _setting(
        "HOOKSTREAM_RETENTION_SESSIONS",
        "0",
        "Days that a session stays in the database after it has expired; `off` for permanently, "
        "here and below.",
        takes=DAYS_FROM_0_OR_OFF,
    )
    retention_verifications: str = _setting(
        "HOOKSTREAM_RETENTION_VERIFICATIONS",
        "0",
        "Days that a row of better-auth's `verification` stays after it has expired.",
        takes=DAYS_FROM_0_OR_OFF,
    )
    retention_idempotency: str = _setting(
        "HOOKSTREAM_RETENTION_IDEMPOTENCY",
        "1",
        "Days that the record of a request with an `Idempotency-Key` stays; it is replayed for the "
        "first.",
        takes=DAYS_OR_OFF,
    )
    retention_rotations: str = _setting(
        "HOOKSTREAM_RETENTION_ROTATIONS",
        "90",
        "Days that a rotation stays after it was cancelled, or after its grace period.",
        takes=DAYS_FROM_0_OR_OFF,
    )
    retention_environments: str = _setting(
        "HOOKSTREAM_RETENTION_ENVIRONMENTS",
        "90",
        "Days that an environment stays after it was deleted, with its keys, which were revoked "
        "with it.",
        takes=DAYS_FROM_0_OR_OFF,
    )
    rate_limit: str = _setting(
        "HOOKSTREAM_RATE_LIMIT",
        "6000",
        "Requests per minute, per organization, or per client IP if unauthenticated; excess "
        "requests get 429. Verification and forward authentication have a limit of their own, "
        "below. `off` for no limit.",
        takes=NUMBER_OR_OFF,
    )
    verification_rate_limit: str = _setting(
        "HOOKSTREAM_VERIFICATION_RATE_LIMIT",
        "600000",
        "Verifications per minute, per organization; excess requests get 429. An entry of a batch "
        "counts as one, and so does a forward authentication. `off` for no limit.",
        takes=NUMBER_OR_OFF,
    )
    max_body_bytes: int = _setting(
        "HOOKSTREAM_MAX_BODY_BYTES",
        65_536,
        "The maximum size of a request body; larger ones get 413.",
        takes=BYTES,
    )
    max_header_bytes: int = _setting(
        "HOOKSTREAM_MAX_HEADER_BYTES",
        32_768,
        "The maximum size of request line and header together; larger ones get 414 or 431, as do a "
        "target over 8 KiB and more than 100 header fields.",
        takes=BYTES,
    )
    client_timeout: int = _setting(
        "HOOKSTREAM_CLIENT_TIMEOUT",
        30,
        "Slowloris timeout in seconds: for a client to send a request, else 408, and again to "
        "read the response.",
    )
    keep_alive_timeout: int = _setting(
        "HOOKSTREAM_KEEP_ALIVE_TIMEOUT",
        75,
        "Seconds after which a connection without a request is closed. Keep it above the idle "
        "timeout of the proxy or load balancer in front, 60 for most; otherwise some of its "
        "requests meet a connection that is being closed.",
    )
    validate_responses: bool = _setting(
        "HOOKSTREAM_VALIDATE_RESPONSES",
        False,  # noqa: FBT003 - the default
        "Validate every response against the specification, and answer 500 if it is not valid. "
        "For testing: `on` or `off`.",
    )
    log_level: str = _setting(
        "HOOKSTREAM_LOG_LEVEL",
        "info",
        "`debug`, `info` (a line per request), `warning` or `error`.",
        takes=one_of("debug", "info", "warning", "error"),
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises SettingsError for a value that cannot be used, and for a variable that is none.
        """
        refuse_unknown(environment)
        values: dict[str, Any] = {}
        for item in fields(cls):
            variable = item.metadata["variable"]
            text = environment.get(variable, "")
            if text:
                values[item.name] = _parse(variable, text, item.default)
        settings = cls(**values)
        for item in fields(cls):
            require_accepted(
                item.metadata["variable"], getattr(settings, item.name), item.metadata["takes"]
            )
        if (settings.sign_up, settings.sign_in) == ("open", "closed"):
            raise SettingsError(
                "HOOKSTREAM_SIGN_UP is open while HOOKSTREAM_SIGN_IN is closed; users who sign up "
                "with a password need sign-in by password, so open both or close sign-up"
            )
        _check_proxies(settings.trusted_proxies)
        _check_origins(settings.trusted_origins)
        settings.check_secrets()
        return settings

    @property
    def requests_per_minute(self) -> int | None:
        """The rate limit of the API, or None for no limit."""
        return number(self.rate_limit)

    @property
    def quotas(self) -> Quotas:
        """The maximum numbers of resources, but for sessions, of which the oldest ends."""
        return Quotas.of(
            organizations_per_user=number(self.max_organizations_per_user),
            environments_per_organization=number(self.max_environments_per_organization),
            keys_per_environment=number(self.max_keys_per_environment),
            rotations_per_key=number(self.max_rotations_per_key),
            members_per_organization=number(self.max_members_per_organization),
        )

    @property
    def accepted_origins(self) -> tuple[str, ...]:
        """The trusted origins, and that of the public URL, where there is one."""
        parts = urlsplit(self.public_url)
        own = (f"{parts.scheme}://{parts.netloc}",) if self.public_url else ()
        return (*own, *self.trusted_origins)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The configured signing secrets, the one that signs first."""
        values = tuple(entry.partition(":")[2].strip() for entry in self.auth_secrets)
        return (*values, self.auth_secret) if self.auth_secret else values

    def check_secrets(self) -> None:
        """Refuse secrets that cannot be used, without quoting them. Raises SettingsError."""
        versions = [entry.partition(":")[0].strip() for entry in self.auth_secrets]
        if not all(map(_VERSION.fullmatch, versions)) or len(set(versions)) < len(versions):
            raise SettingsError(
                "BETTER_AUTH_SECRETS takes VERSION:SECRET, separated by commas, the newest first; "
                "each version is another whole number, such as in 2:NEW,1:OLD"
            )
        if any(len(secret) < SECRET_LENGTH for secret in self.secrets):
            raise SettingsError(
                "BETTER_AUTH_SECRET and every secret in BETTER_AUTH_SECRETS need "
                f"{SECRET_LENGTH} characters or more"
            )

    def to_environment(self) -> dict[str, str]:
        """The variables from which `from_environment` reads these settings again."""
        return {
            item.metadata["variable"]: _print(getattr(self, item.name)) for item in fields(self)
        }


def refuse_unknown(environment: Mapping[str, str] = os.environ) -> None:
    """Refuse variables that look like settings and are none: a mistyped one would do nothing.

    An empty one is not set, as everywhere. Raises SettingsError, which suggests the closest.
    """
    known = {item.metadata["variable"] for item in fields(Settings)}
    for variable, text in sorted(environment.items()):
        if not text or not variable.startswith(PREFIX) or variable in known | OF_CLIENTS:
            continue
        # Without the prefix, which they have in common.
        names = [name.removeprefix(PREFIX) for name in sorted(known) if name.startswith(PREFIX)]
        closest = difflib.get_close_matches(variable.removeprefix(PREFIX), names, n=1)
        meant = f"did you mean {PREFIX}{closest[0]}?" if closest else "README.md lists the settings"
        raise SettingsError(f"{variable} is not a setting: {meant}")


def signing_secrets(settings: Settings, database: Path) -> tuple[str, ...]:
    """The configured secrets, or the one in a file beside the database, created on first use.

    The first of them signs. The file is `<database>.secret`, mode 0600. Raises SettingsError when
    it can neither be read nor created.
    """
    if settings.secrets:
        return settings.secrets
    path = secret_path(database)
    try:
        if not path.exists():
            _make_secret(path)
        return (_read_secret(path),)
    except OSError as error:
        raise SettingsError(f"cannot use the secret file {path}: {error.strerror}") from error


def configured_secrets(settings: Settings) -> tuple[str, ...]:
    """The configured secrets, which a database without a file needs. Raises SettingsError."""
    if not settings.secrets:
        raise SettingsError(
            "on PostgreSQL BETTER_AUTH_SECRET must be set: every node needs the same secret, and "
            "there is no file beside the database to keep one in"
        )
    return settings.secrets


def existing_signing_secrets(settings: Settings, database: Path | None) -> tuple[str, ...]:
    """The secrets of `signing_secrets`, or none: no file is created.

    A database on the network has no file beside it. Raises SettingsError when the file exists and
    cannot be used.
    """
    if database is None:
        return settings.secrets
    if not settings.secrets and not secret_path(database).exists():
        return ()
    return signing_secrets(settings, database)


def secret_path(database: Path) -> Path:
    """The file beside the database with its signing secret, where none is configured."""
    database = database.absolute()
    return database.with_name(database.name + ".secret")


def _make_secret(path: Path) -> None:
    """Create the file atomically, unless it exists."""
    draft = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(SECRET_LENGTH) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
        # Its name, too, is on the disk before anything is signed with it.
        fsync_directory(path.parent)
    finally:
        draft.unlink()


def _read_secret(path: Path) -> str:
    secret = path.read_bytes().decode("ascii", errors="ignore").strip()
    if len(secret) < SECRET_LENGTH:
        raise SettingsError(
            f"the secret file {path} is empty, truncated or not text; put the secret back that was "
            "in it, or delete the file to have a new one created (every session cookie then stops "
            "working, and backups that were made before are restored with --unsealed only)"
        )
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(
            f"other users of this machine can use the secret file {path}; make it private: "
            f"chmod 600 {shlex.quote(str(path))} (who has read it can sign session cookies and "
            "backups: docs/signing-secret.md says how to change the secret)"
        )
    return secret


def _parse(variable: str, text: str, default: Any) -> Any:
    if isinstance(default, bool):
        word = text.lower()
        if word not in _TRUE | _FALSE:
            raise SettingsError(f"{variable} is {text!r}; it takes on or off")
        return word in _TRUE
    if isinstance(default, int):
        if not _NUMBER.fullmatch(text):
            raise SettingsError(f"{variable} is {text!r}; it takes a whole number above 0")
        return int(text)
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def require_accepted(variable: str, value: Any, takes: Takes | None) -> None:
    """Refuse a value of this variable that `takes` does not match. Raises SettingsError."""
    if takes is not None and not takes.pattern.fullmatch(str(value)):
        given = f"is {value!r}" if takes.shown else "has another form"
        raise SettingsError(f"{variable} {given}; it takes {takes.words}")


def _print(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _check_proxies(proxies: str) -> None:
    """Accept addresses, networks and `unix` only: a name would match no proxy, `*` any client."""
    for position, proxy in enumerate(proxies.split(","), 1):
        if proxy.strip() in ("", "unix"):
            continue
        try:
            ipaddress.ip_network(proxy.strip())
            continue
        except ValueError:
            pass
        # Outside of `except`: that exception quotes the entry, which may be a URL with a password.
        raise SettingsError(
            f"entry {position} of HOOKSTREAM_TRUSTED_PROXIES is no address and no network; "
            "it takes addresses such as 10.0.0.1, networks such as 10.0.0.0/8, whose bits after "
            "the prefix are 0, and unix for peers of a Unix socket"
        )


def _check_origins(origins: tuple[str, ...]) -> None:
    for position, origin in enumerate(origins, 1):
        if not ORIGIN.pattern.fullmatch(origin):
            raise SettingsError(
                f"entry {position} of HOOKSTREAM_TRUSTED_ORIGINS has another form; it takes "
                f"{ORIGIN.words}"
            )
