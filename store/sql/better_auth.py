"""better-auth's tables: the formats of its values, and its plugins' columns.

Its adapters store values differently. Kysely's for SQLite writes 0 and 1 and ISO text, Prisma's
milliseconds, and tools may leave `true` or `false` as text.
"""

import re
from datetime import UTC, datetime

from hookstream_keys.domain.timestamps import to_text
from hookstream_keys.store.records import Ban
from hookstream_keys.store.sql.connection import Engine, Value

_AS_RECORDS_HAVE_IT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z", re.ASCII
)
_FALSE = {"", "0", "0.0", "f", "false", "n", "no", "off"}
_TRUE = {"1", "1.0", "t", "true", "y", "yes", "on"}


def moment(value: str | int | float) -> datetime:
    """A time as better-auth's adapters store it: ISO text, or milliseconds since 1970.

    Raises ValueError for text that is not a time.
    """
    if isinstance(value, str):
        found = datetime.fromisoformat(value)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return datetime.fromtimestamp(value / 1000, UTC)


#: What `moment` and `text` raise for a value that is not a time.
UNREADABLE = (ValueError, TypeError, OverflowError, OSError)


def text(value: str | int | float) -> str:
    """The same time in the format of records."""
    # Most have it already: parsing a session's three times takes as long as reading its row.
    if isinstance(value, str) and _AS_RECORDS_HAVE_IT.fullmatch(value):
        return value
    return to_text(moment(value))


def is_true(value: Value) -> bool:
    """Whether a permissive flag is set: an unreadable value counts as not set."""
    return str(value).strip().lower() in _TRUE


def is_not_false(value: Value) -> bool:
    """Whether a prohibitive flag is set: an unreadable value counts as set."""
    return value is not None and str(value).strip().lower() not in _FALSE


def ban(banned: Value, expires: Value) -> Ban | None:
    """The ban of a user with these values of `banned` and `banExpires`, if there is one.

    An unreadable expiry counts as none, as in better-auth's admin plugin.
    """
    if not banned or not is_not_false(banned):
        return None
    if not expires or isinstance(expires, bytes):
        return Ban(None)
    try:
        return Ban(text(expires))
    except UNREADABLE:
        return Ban(None)


class BetterAuth(Engine):
    """The columns of better-auth's plugins in this database.

    They are read once, when the server starts, and optional: those of `user` by the admin and the
    two-factor plugin.
    """

    @property
    def user_columns(self) -> frozenset[str]:
        """The columns of `user`, of plugins and of better-auth's core."""
        raise NotImplementedError


def plugin_column(name: str, table: str, columns: frozenset[str]) -> str:
    """SQL for a column of `user`, whose alias is `table`: null where it is none of `columns`."""
    return f'{table}."{name}"' if name in columns else "null"
