"""Checking the chain of the audit log."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from hookstream_keys.store.records import ChainCheck, Progress
from hookstream_keys.store.sqlite import audit_chain
from hookstream_keys.store.sqlite.engine import SqliteEngine


class AuditCheck(SqliteEngine):
    """The check, on a connection of its own."""

    def check_audit_log(
        self,
        expected_head: str | None = None,
        *,
        archives: Sequence[Path] = (),
        progress: Progress | None = None,
    ) -> ChainCheck:
        with (
            self.translated(),
            closing(self._open(create=False)) as connection,
            audit_chain.one_moment(connection),
        ):
            return audit_chain.follow(
                connection, expected_head, archives=archives, progress=progress
            )
