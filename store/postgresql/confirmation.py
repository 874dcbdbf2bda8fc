"""Whether a commit is durable, and known to the synchronous standby."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import asyncpg

from hookstream_keys.store.errors import CommitUnknown

#: The code of PostgreSQL's warnings.
_WARNING = "01000"


#: Settings with which a commit waits neither for the disk, nor for the standby's.
_DURABLE = """
    select set_config('synchronous_commit', 'on', false)
    where current_setting('synchronous_commit') not in ('on', 'remote_apply')
"""


async def require_durable(driver: asyncpg.Connection) -> None:
    """Let the connection's commits wait until they are durable, whatever the server's setting is.

    A role or a database may have another `synchronous_commit`, with which what was acknowledged
    could be lost.
    """
    await driver.execute(_DURABLE)


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
