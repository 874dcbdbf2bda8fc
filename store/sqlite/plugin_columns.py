"""Which columns better-auth's plugins have added to this database."""

from functools import cached_property

from hookstream_keys.store.sqlite.engine import SqliteEngine


class PluginColumns(SqliteEngine):
    """The columns of `user`, which are read once, when the server starts."""

    def migrate(self) -> list[str]:
        applied = super().migrate()
        self.__dict__.pop("user_columns", None)
        _ = self.user_columns
        return applied

    @cached_property
    def user_columns(self) -> frozenset[str]:
        with self.translated():
            return frozenset(
                row[1] for row in self.connection().execute('pragma table_info("user")')
            )
