"""Users, for the operator at the command line: the API has no operation on other users."""

from typing import Any

from hookstream_keys.domain import ids, timestamps
from hookstream_keys.domain.errors import NoSuchUser, UserExists
from hookstream_keys.handlers import audit, pagination
from hookstream_keys.handlers.context import RequestContext
from hookstream_keys.store import Credential, Organization, Store, UniqueViolation, User

#: Why the operator ended a session, in the audit log.
BY_OPERATOR = "ended_by_operator"
PASSWORD_SET = "password_set"  # noqa: S105 - no password


async def list_users(
    context: RequestContext, store: Store, limit: int, cursor: str | None = None
) -> dict[str, Any]:
    """A page of all users, newest first, with their role in each organization."""

    async def views(users: list[User]) -> list[dict[str, Any]]:
        return [await view(context, user) for user in users]

    body, *_ = await pagination.answer("users", limit, cursor, store.list_users, views)
    found: dict[str, Any] = body
    return found


async def list_organizations(store: Store, limit: int, cursor: str | None = None) -> dict[str, Any]:
    """A page of all organizations, newest first."""
    body, *_ = await pagination.answer(
        "organizations", limit, cursor, store.list_all_organizations, _organizations
    )
    found: dict[str, Any] = body
    return found


async def find_user(context: RequestContext, name: str) -> User:
    """The user of this email address or id. Raises NoSuchUser."""
    by_email = await context.store.find_user_by_email(name.lower())
    user = by_email or await context.store.find_user(name)
    if user is None:
        raise NoSuchUser
    return user


async def create_user(
    context: RequestContext, store: Store, *, email: str, name: str, password_hash: str
) -> User:
    """Create a user whose email address the operator vouches for. Raises UserExists.

    They have no organization: one makes them a member, or their first sign-in makes one for them.
    """
    now = timestamps.to_text(context.now)
    user = User(
        id=ids.new("usr", context.random),
        name=name,
        email=email.lower(),
        created_at=now,
        updated_at=now,
        email_verified=True,
    )
    credential = Credential(ids.new("acc", context.random), user.id, password_hash, now)
    try:
        await store.create_user(user, credential, audit.user_created(context, user, user.id))
    except UniqueViolation:
        raise UserExists from None
    return user


async def set_password(
    context: RequestContext, store: Store, user: User, password_hash: str
) -> int:
    """Replace the user's password, and end all their sessions; returns how many."""
    now = timestamps.to_text(context.now)
    return await store.set_password(
        Credential(ids.new("acc", context.random), user.id, password_hash, now),
        await audit.password_set(context, user),
        lambda session: audit.session_deleted(context, session, PASSWORD_SET),
    )


async def end_sessions(context: RequestContext, store: Store, user: User) -> int:
    """End all sessions of the user; returns how many."""
    return await store.end_sessions(
        user.id, lambda session: audit.session_deleted(context, session, BY_OPERATOR)
    )


async def view(context: RequestContext, user: User) -> dict[str, Any]:
    """A user as the operator sees one."""
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "email_verified": user.email_verified,
        "organizations": await context.store.roles_of(user.id),
        "created_at": user.created_at,
    }


async def _organizations(found: list[Organization]) -> list[dict[str, Any]]:
    return [
        {"id": each.id, "name": each.name, "slug": each.slug, "created_at": each.created_at}
        for each in found
    ]
