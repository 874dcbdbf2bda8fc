"""People, and their passwords: better-auth's own tables."""

import sqlite3

from hookstream_keys.store.records import Credential, User
from hookstream_keys.store.sqlite import better_auth
from hookstream_keys.store.sqlite.engine import Engine, Row

_COLUMNS = 'id, name, email, "createdAt", "updatedAt", "emailVerified", image'
_SELECT = f'select {_COLUMNS} from "user"'  # noqa: S608 - a constant


class Users(Engine):
    """The questions about users."""

    def find_user(self, user_id: str) -> User | None:
        row = self.one(f"{_SELECT} where id = ?", (user_id,))
        return _user(row) if row else None

    def find_user_by_email(self, email: str) -> User | None:
        row = self.one(f"{_SELECT} where email = ?", (email,))
        return _user(row) if row else None


def _user(row: Row) -> User:
    user_id, name, email, created_at, updated_at, verified, image = row
    times = better_auth.text(created_at), better_auth.text(updated_at)
    return User(user_id, name, email, *times, bool(verified), image)


def insert_user(connection: sqlite3.Connection, user: User, credential: Credential) -> None:
    """Store a user and her password inside a transaction."""
    connection.execute(
        """insert into "user" (id, name, email, "emailVerified", image, "createdAt", "updatedAt")
           values (?, ?, ?, ?, ?, ?, ?)""",
        (
            user.id,
            user.name,
            user.email,
            int(user.email_verified),
            user.image,
            user.created_at,
            user.updated_at,
        ),
    )
    connection.execute(
        # better-auth: a password's account has the user's own id as accountId.
        """insert into "account" (id, "accountId", "providerId", "userId", password,
                                  "createdAt", "updatedAt")
           values (?, ?, 'credential', ?, ?, ?, ?)""",
        (
            credential.account_id,
            credential.user_id,
            credential.user_id,
            credential.password_hash,
            credential.created_at,
            credential.created_at,
        ),
    )
