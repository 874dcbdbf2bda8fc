"""Whether a commit is known to the synchronous standby."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import asyncpg

from hookstream_keys.store.errors import CommitUnknown

#: The code of PostgreSQL's warnings.
_WARNING = "01000"


@contextmanager
def confirmed(driver: asyncpg.Connection) -> Iterator[None]:
    """A block whose commit is known to the synchronous standby, if there is one.

    Raises CommitUnknown where the wait for it was cancelled: PostgreSQL has committed then, and
    says so by a warning only. A failover may lose the change.
    """
    warned = False

    def listen(_: asyncpg.Connection, message: asyncpg.PostgresLogMessage) -> None:
        nonlocal warned
        warned = warned or message.sqlstate == _WARNING

    driver.add_log_listener(listen)
    try:
        yield
    finally:
        # Where the connection has ended it has no listeners.
        with suppress(asyncpg.InterfaceError):
            driver.remove_log_listener(listen)
    if warned:
        raise CommitUnknown("the standby has not confirmed the change")


async def commit(driver: asyncpg.Connection) -> str:
    """The tag of the commit. Raises CommitUnknown where the database has not answered it."""
    try:
        tag: str = await driver.execute("commit")
    except (asyncpg.InterfaceError, asyncpg.PostgresConnectionError, OSError) as error:
        raise CommitUnknown("the connection ended during a commit") from error
    except asyncpg.OperatorInterventionError as error:
        # The server is stopped, or the session.
        raise CommitUnknown("the database's server was stopped during a commit") from error
    return tag
