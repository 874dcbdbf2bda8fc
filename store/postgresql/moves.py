"""What tells servers that the data is on its way to this database, or has left it.

The data has one home. A database that is not it, or not yet, lacks the tables without which nothing
is written and no heartbeat is confirmed: nodes that run on it answer 503, within the fence's time,
and none starts. While `migrate-store` fills it, it has the table `hookstream_move`.
"""

import asyncpg

from hookstream_keys.store.errors import StoreUnavailable
from hookstream_keys.store.postgresql.session import Session

_STATE = """
    select to_regclass('hookstream_move') is not null, to_regclass('audit_head_moved') is not null
"""
#: Tables of writes and of heartbeats.
_RETIRE = """
    alter table audit_head rename to audit_head_moved;
    alter table node rename to node_moved
"""


_REINSTATE = """
    alter table if exists audit_head_moved rename to audit_head;
    alter table if exists node_moved rename to node
"""


async def require_home(driver: asyncpg.Connection) -> None:
    """Raise StoreUnavailable where the data is not in this database, or not all of it."""
    is_filling, has_left = await driver.fetchrow(_STATE)
    if is_filling:
        raise StoreUnavailable(
            "hookstream-keys migrate-store or restore has begun to fill this database, and "
            "has not finished: run it again"
        )
    if has_left:
        raise StoreUnavailable(
            "the data was moved to another database with hookstream-keys migrate-store: use that"
        )


def retire(database: Session) -> None:
    """Let no node use the database any more, from the commit of this transaction on."""
    database.execute(_RETIRE)


def reinstate(database: Session) -> None:
    """Let nodes use the database again, from the commit of this transaction on; or as before."""
    database.execute(_REINSTATE)


def note_moved_to(database: Session, head: str) -> None:
    """Note the head of the file that the data has moved to."""
    database.execute("create table hookstream_moved (head text not null)")
    database.execute("insert into hookstream_moved values ($1)", head)


def moved_to(database: Session) -> str | None:
    """The head of the file that the data has moved to; None where it is here."""
    if not database.value("select to_regclass('hookstream_moved') is not null"):
        return None
    head: str = database.value("select head from hookstream_moved")
    return head
