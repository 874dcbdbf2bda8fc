"""Indexes and foreign keys of tables that are filled: made at the end, they take a fraction.

Their definitions are those that PostgreSQL keeps. They are in `hookstream_move` while the tables
are without them, so an interrupted move makes them as well.
"""

from collections.abc import Sequence

from hookstream_keys.store.postgresql.session import Session

_FOREIGN_KEYS = """
    select format('alter table %s drop constraint %I', conrelid::regclass, conname),
        format('alter table %s add constraint %I %s', conrelid::regclass, conname,
            pg_get_constraintdef(oid))
    from pg_constraint where contype = 'f' and conrelid = any($1::text[]::regclass[]) order by 1
"""
_INDEXES = """
    select format('drop index %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
    from pg_index where indrelid = any($1::text[]::regclass[])
    and not exists (select 1 from pg_constraint where conindid = indexrelid) order by 1
"""
_KEEP = "insert into hookstream_move (name, sql) values ($1, $2)"
_KEPT = "select name, sql from hookstream_move where sql is not null order by name"


def drop(database: Session, tables: Sequence[str]) -> None:
    """Drop the indexes of no constraint, and the foreign keys, of tables with quoted names."""
    for kind, query in (("1 index", _INDEXES), ("2 foreign key", _FOREIGN_KEYS)):
        for dropping, making in database.all(query, tables):
            database.execute(_KEEP, f"{kind}: {making}", making)
            database.execute(dropping)


def definitions(database: Session) -> list[str]:
    """The statements that make what was dropped, in order."""
    return [sql for _, sql in database.all(_KEPT)]
