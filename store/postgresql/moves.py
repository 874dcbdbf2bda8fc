"""What tells servers that the data is on its way to this database, or has left it.

The data has one home. While `migrate-store` fills a database, that has the table
`hookstream_move`. A database whose data has left lacks the tables without which nothing is written
and no heartbeat is confirmed: its running nodes answer 503 from then on, within the fence's time.
"""

import asyncpg

from hookstream_keys.store.errors import StoreUnavailable
from hookstream_keys.store.postgresql.session import Session

_IS_FILLING = "select to_regclass('hookstream_move') is not null"
_HAS_LEFT = "select to_regclass('audit_head_moved') is not null"
#: Of writes and of heartbeats.
_RETIRE = """
    alter table audit_head rename to audit_head_moved;
    alter table node rename to node_moved
"""


async def require_home(driver: asyncpg.Connection) -> None:
    """Raise StoreUnavailable where the data is not in this database, or not all of it."""
    if await driver.fetchval(_IS_FILLING):
        raise StoreUnavailable(
            "hookstream-keys migrate-store has begun to fill this database, and has not finished: "
            "run it again"
        )
    if await driver.fetchval(_HAS_LEFT):
        raise StoreUnavailable(
            "the data was moved to another database with hookstream-keys migrate-store: use that"
        )


def retire(database: Session) -> None:
    """Let no node use the database any more, from the commit of this transaction on."""
    database.execute(_RETIRE)
