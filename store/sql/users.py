"""Users and their passwords: better-auth's own tables."""

from functools import cache

from hookstream_keys.store.records import Credential, User
from hookstream_keys.store.sql import better_auth
from hookstream_keys.store.sql.better_auth import BetterAuth
from hookstream_keys.store.sql.connection import Connection, Row

_COLUMNS = 'id, name, email, "createdAt", "updatedAt", "emailVerified", image'
_PLUGIN_COLUMNS = ("banned", "banExpires", "twoFactorEnabled")
_CREDENTIAL = """
    join "account" a on a."userId" = u.id
    where u.email = ? and a."providerId" = 'credential' and a."accountId" = u.id
          and a.password is not null
"""


@cache
def select_users(columns: frozenset[str], more: str = "") -> str:
    """The beginning of a query of users, with the alias `u`."""
    own = [f"u.{column}" for column in _COLUMNS.split(", ")]
    plugins = [better_auth.plugin_column(name, "u", columns) for name in _PLUGIN_COLUMNS]
    return f'select {", ".join([*own, *plugins])}{more} from "user" u'  # noqa: S608 - constants


class Users(BetterAuth):
    """Queries of users."""

    async def find_user(self, user_id: str) -> User | None:
        row = await self.one(f"{select_users(self.user_columns)} where u.id = ?", (user_id,))
        return user_of(row) if row else None

    async def find_user_by_email(self, email: str) -> User | None:
        row = await self.one(f"{select_users(self.user_columns)} where u.email = ?", (email,))
        return user_of(row) if row else None

    async def find_credential(self, email: str) -> tuple[User, Credential] | None:
        select = select_users(self.user_columns, ', a.id, a.password, a."createdAt"')
        row = await self.one(f"{select} {_CREDENTIAL}", (email,))
        if row is None:
            return None
        user = user_of(row[:-3])
        account_id, password_hash, created_at = row[-3:]
        return user, Credential(account_id, user.id, password_hash, better_auth.text(created_at))


def user_of(row: Row) -> User:
    """The user of a row of `select_users`."""
    user_id, name, email, created_at, updated_at, verified, image = row[:7]
    banned, ban_expires, two_factor = row[7:]
    return User(
        user_id,
        name,
        email,
        better_auth.text(created_at),
        better_auth.text(updated_at),
        better_auth.is_true(verified),
        image,
        better_auth.ban(banned, ban_expires),
        better_auth.is_not_false(two_factor),
    )


async def insert_user(connection: Connection, user: User, credential: Credential) -> None:
    """Store a user and their password in a transaction.

    Raises UniqueViolation when another has the email address.
    """
    with connection.unique("email"):
        await connection.change(
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
    await insert_credential(connection, credential)


async def insert_credential(connection: Connection, credential: Credential) -> None:
    """Store the password of a user who has none, in a transaction."""
    await connection.change(
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
