"""PostgreSQL's errors as the store's."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import asyncpg

from hookstream_keys.store.errors import ForeignKeyViolation, StoreUnavailable, TransactionConflict

#: Serialization failures and deadlocks, 40001 and 40P01; and statements after any failure in the
#: same transaction, 25P02.
_CONFLICTS = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InFailedSQLTransactionError,
)
#: Mistakes of this program, not states of the database.
_OWN = (
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.DataError,
    asyncpg.SyntaxOrAccessError,
    asyncpg.InvalidParameterValueError,
)
#: Of the last but one, those that say that the database is another than expected.
_STATES = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.InsufficientPrivilegeError,
)
#: What the driver raises beside PostgreSQL's own errors.
FAILURES = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # Such as where a connection breaks between two messages, or no host is a primary.
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


@contextmanager
def translating() -> Iterator[None]:
    """A block whose errors are the store's; mistakes of this program stay what they are."""
    try:
        yield
    except FAILURES as error:
        raise_translated(error)


def raise_translated(error: BaseException) -> NoReturn:
    """Raise the store's error for one of FAILURES, or the same."""
    match error:
        case asyncpg.ForeignKeyViolationError():
            raise ForeignKeyViolation(_words(error)) from error
        case _ if isinstance(error, _CONFLICTS):
            raise TransactionConflict(f"the database {told(error)}") from error
        case _ if isinstance(error, _OWN) and not isinstance(error, _STATES):
            raise error
        case _:
            raise StoreUnavailable(f"the database {told(error)}") from error


def told(error: BaseException) -> str:
    """What a database does: it says why it does not do something, or does not answer."""
    # The class of the latter has those of the driver: its connection has ended.
    is_its_own = isinstance(error, asyncpg.PostgresError)
    is_ended = isinstance(error, asyncpg.PostgresConnectionError)
    does = "says" if is_its_own and not is_ended else "does not answer"
    return f"{does}: {_words(error)}"


def _words(error: BaseException) -> str:
    """One line for the operator, without the details, in which there may be values of a row."""
    match error:
        case TimeoutError():
            return "it took too long"
        case socket.gaierror():
            return (
                f"{error.strerror}: is the host's name right, and every special character of the "
                "password percent-encoded?"
            )
        case OSError(strerror=str(text), filename=str(name)):
            return f"{text}: {name}"
        case OSError(strerror=str(text)):
            return text
    words = getattr(error, "message", None) or str(error) or type(error).__name__
    return str(words).splitlines()[0]
