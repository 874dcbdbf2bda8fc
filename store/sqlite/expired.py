"""Expired rows of better-auth, in each format in which its adapters for SQLite store a time."""

from datetime import datetime, timedelta

from hookstream_keys.domain.timestamps import to_text
from hookstream_keys.store.sql.retention import Conditions
from hookstream_keys.store.sqlite.engine import SqliteEngine


class Expired(SqliteEngine):
    """The conditions of expired rows."""

    def expired(self, before: datetime) -> Conditions:
        # The index has numbers, milliseconds, before texts. Of texts it has ISO 8601 in UTC in the
        # order of time. Other forms of it are in that order but for less than a day, since a date
        # comes first.
        day_before, now = to_text(before - timedelta(days=1)), to_text(before)
        return [
            # A text that SQLite does not take for a number; the column would make it one.
            ('"expiresAt" >= \'0000-\' and "expiresAt" < ?', (day_before,)),
            ('"expiresAt" between ? and ? and "expiresAt" glob \'*T*Z\'', (day_before, now)),
            ('"expiresAt" <= ?', (int(before.timestamp() * 1000),)),
        ]
