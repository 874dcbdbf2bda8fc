"""People, and their passwords: better-auth's own tables."""

from hookstream_keys.store.records import Credential, User
from hookstream_keys.store.sqlite import better_auth
from hookstream_keys.store.sqlite.connection import Connection
from hookstream_keys.store.sqlite.engine import Engine, Row, unique

_COLUMNS = 'id, name, email, "createdAt", "updatedAt", "emailVerified", image'
# All of these are constants of this module; values are bound.
_SELECT = f'select {_COLUMNS} from "user"'  # noqa: S608
_OF_USER = ", ".join(f"u.{column}" for column in _COLUMNS.split(", "))
_FIND_CREDENTIAL = f"""
    select {_OF_USER}, a.id, a.password, a."createdAt" from "user" u
    join "account" a on a."userId" = u.id
    where u.email = ? and a."providerId" = 'credential' and a."accountId" = u.id
          and a.password is not null
"""  # noqa: S608


class Users(Engine):
    """The questions about users."""

    def find_user(self, user_id: str) -> User | None:
        row = self.one(f"{_SELECT} where id = ?", (user_id,))
        return _user(row) if row else None

    def find_user_by_email(self, email: str) -> User | None:
        row = self.one(f"{_SELECT} where email = ?", (email,))
        return _user(row) if row else None

    def find_credential(self, email: str) -> tuple[User, Credential] | None:
        row = self.one(_FIND_CREDENTIAL, (email,))
        if row is None:
            return None
        user = _user(row[:-3])
        account_id, password_hash, created_at = row[-3:]
        return user, Credential(account_id, user.id, password_hash, better_auth.text(created_at))


def _user(row: Row) -> User:
    user_id, name, email, created_at, updated_at, verified, image = row
    times = better_auth.text(created_at), better_auth.text(updated_at)
    return User(user_id, name, email, *times, bool(verified), image)


def insert_user(connection: Connection, user: User, credential: Credential) -> None:
    """Store a user and her password inside a transaction.

    Raises Taken when another has the address.
    """
    with unique("email"):
        connection.execute(
            f'insert into "user" ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?)',  # noqa: S608
            (
                user.id,
                user.name,
                user.email,
                user.created_at,
                user.updated_at,
                int(user.email_verified),
                user.image,
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
