"""Authorization and tenant isolation: the rules of visibility and rights, each written once.

Visibility comes first. A resource that the caller may not know of is answered exactly as what never
existed, after the same queries, so that the time tells no more than the answer. 403 is for visible
resources only. Rights are scopes, a key's own or those of a role: `hookstream_keys.contract.roles`.
"""

from collections.abc import Awaitable, Callable

from hookstream_keys.context.principal import Anonymous, KeyPrincipal, Operator, SessionPrincipal
from hookstream_keys.contract import roles
from hookstream_keys.domain import timestamps
from hookstream_keys.domain.errors import (
    EnvironmentNotFound,
    Forbidden,
    InsufficientScope,
    InternalError,
    KeyNotFound,
    MemberNotFound,
    OrganizationNotFound,
)
from hookstream_keys.domain.scopes import ALL, Scopes
from hookstream_keys.handlers.context import RequestContext
from hookstream_keys.store import (
    ApiKey,
    AuditFilter,
    Environment,
    KeyFilter,
    Member,
    Organization,
    User,
)


async def authorize_organization(context: RequestContext, scope: str, org_id: str) -> Organization:
    """The organization, if the caller can see it and may do there what `scope` names.

    Raises OrganizationNotFound, InsufficientScope or Forbidden.
    """
    rights = await _rights(context, org_id)
    organization = await context.store.find_organization(org_id)
    if rights is None or organization is None:
        raise OrganizationNotFound(masked=organization is not None)
    _require(context, rights, scope)
    return organization


async def authorize_member(
    context: RequestContext, scope: str, org_id: str, member_id: str
) -> Member:
    """The member of the organization, if the caller may do to them what `scope` names.

    Only an owner may change or remove an owner; all members may remove themselves. Raises
    OrganizationNotFound, MemberNotFound, InsufficientScope or Forbidden.
    """
    organization = await authorize_organization(context, "members:read", org_id)
    member = await context.store.find_member(organization.id, member_id)
    if member is None:
        raise MemberNotFound
    leaves = scope == "members:delete" and _user(context) == member.user_id
    if not leaves:
        await require(context, scope, organization.id)
        if scope != "members:read":
            await require_may_make(context, member.role, organization.id)
    return member


async def require_may_make(context: RequestContext, role: str, org_id: str) -> None:
    """Refuse to make or change a member of this role where only an owner may. Raises Forbidden."""
    rights = await _rights(context, org_id)
    if roles.is_owner(role) and not (rights and rights.allow(ALL)):
        raise Forbidden("Only an owner makes a member an owner, or changes or removes one.")


async def authorize_environment(
    context: RequestContext, scope: str, *, env_id: str, org_id: str | None = None
) -> Environment:
    """The environment, if the caller can see it and may do there what `scope` names.

    With `org_id` it must belong to that organization. Raises EnvironmentNotFound when it does
    not exist or the caller cannot see it; InsufficientScope or Forbidden otherwise.
    """
    found = await context.store.find_environment(env_id)
    rights = await _rights(context, found.org_id if found else "", env_id)
    if found is None or rights is None or org_id not in (None, found.org_id):
        raise EnvironmentNotFound(masked=found is not None)
    _require(context, rights, scope)
    return found


async def authorize_key(context: RequestContext, scope: str, key_id: str) -> ApiKey:
    """The key, if the caller can see it and may do to it what `scope` names.

    Raises KeyNotFound, InsufficientScope or Forbidden.
    """
    key = await context.store.find_key_by_id(key_id)
    rights = await _rights(context, key.org_id if key else "", key.env_id if key else None)
    if key is None or rights is None:
        raise KeyNotFound(masked=key is not None)
    made_it = key.created_by is not None and _user(context) == key.created_by
    # Without a role there are no scopes, so none as a creator either.
    if not (made_it and rights.names and roles.creator_scopes().allow(scope)):
        _require(context, rights, scope)
    return key


def key_check(context: RequestContext, scope: str) -> Callable[[ApiKey], Awaitable[bool]]:
    """A predicate for several keys: whether the caller may do to them what `scope` names.

    Raises InsufficientScope when the caller is a key that may not do it to any.
    """
    match context.principal:
        case KeyPrincipal(org_id=org_id, env_id=env_id, scopes=scopes):
            _require(context, scopes, scope)

            async def is_of_own(key: ApiKey) -> bool:
                return (key.org_id, key.env_id) == (org_id, env_id)

            return is_of_own
        case SessionPrincipal(user_id=user_id):
            known: dict[str, bool] = {}

            async def may_in(key: ApiKey) -> bool:
                if key.org_id not in known:
                    role = await context.store.role_in(key.org_id, user_id)
                    known[key.org_id] = roles.scopes_of(role or "").allow(scope)
                return known[key.org_id]

            return may_in
        case Operator():
            return _any_key
        case Anonymous():
            raise InternalError


async def key_filter(context: RequestContext, org_id: str | None, env_id: str | None) -> KeyFilter:
    """What the caller may list of an organization: a key its own environment, others all of it.

    Raises as `own_organization`, and EnvironmentNotFound.
    """
    org_id = await own_organization(context, "api-keys:read", org_id)
    own = context.principal.env_id if isinstance(context.principal, KeyPrincipal) else None
    env_id = env_id or own
    if env_id is not None:
        # Keys of a deleted environment can still be read, so they are listed as well.
        of = await context.store.organization_of_environment(env_id)
        if of != org_id or own not in (None, env_id):
            raise EnvironmentNotFound(masked=of is not None)
    return KeyFilter(org_id, timestamps.to_text(context.now), env_id=env_id)


async def audit_filter(context: RequestContext, org_id: str | None) -> AuditFilter:
    """What the caller may read of an organization's audit log.

    A key reads what is about its own environment, others all of it. Raises as
    `own_organization`.
    """
    org_id = await own_organization(context, "audit-log:read", org_id)
    env_id = context.principal.env_id if isinstance(context.principal, KeyPrincipal) else None
    return AuditFilter(org_id, env_id)


async def own_organization(context: RequestContext, scope: str, org_id: str | None) -> str:
    """The organization that the caller names, or else its own.

    A key's own is that of its environment; a session's is its active one, or the first that the
    user joined. Raises OrganizationNotFound when the caller cannot see it, InsufficientScope or
    Forbidden when it may not do there what `scope` names.
    """
    match context.principal:
        case KeyPrincipal() | SessionPrincipal() as who if org_id is None:
            org_id = who.org_id
    rights = await _rights(context, org_id or "")
    if org_id is None or rights is None:
        exists = org_id is not None and await context.store.find_organization(org_id) is not None
        raise OrganizationNotFound(masked=exists)
    _require(context, rights, scope)
    return org_id


async def require(context: RequestContext, scope: str, org_id: str) -> None:
    """Refuse a caller who may not do what `scope` names in an organization that they can see.

    Raises InsufficientScope when it is a key whose scopes do not cover it, Forbidden when no
    key may do it or the user's role does not cover it.
    """
    _require(context, await _rights(context, org_id) or Scopes(()), scope)


async def signed_in(context: RequestContext) -> User:
    """The user who is signed in. Raises Forbidden when the caller is a key."""
    user_id = _user(context)
    user = None if user_id is None else await context.store.find_user(user_id)
    if user is None:
        raise Forbidden("No key may do this; sign in.")
    return user


async def _rights(context: RequestContext, org_id: str, env_id: str | None = None) -> Scopes | None:
    """What the caller may do in the organization, or in the environment of it.

    None when it may not know of it.
    """
    match context.principal:
        case KeyPrincipal() as key:
            mine = key.org_id == org_id and env_id in (None, key.env_id)
            return key.scopes if mine else None
        case SessionPrincipal(user_id=user_id):
            role = await context.store.role_in(org_id, user_id)
            return None if role is None else roles.scopes_of(role)
        case Operator():
            return Scopes((ALL,))
        case Anonymous():
            # The document requires a credential for all these operations; a test checks that.
            raise InternalError


def _require(context: RequestContext, rights: Scopes, scope: str) -> None:
    key = context.principal if isinstance(context.principal, KeyPrincipal) else None
    if key and not roles.key_scopes().allow(scope):
        raise Forbidden("No key may do this; sign in.")
    if not rights.allow(scope):
        if key:
            raise InsufficientScope(f"The key's scopes do not cover {scope}.")
        raise Forbidden(f"Your role in the organization does not cover {scope}.")
    if key and scope not in roles.scope_ceiling(key.role):
        raise Forbidden(f"The key's role, {key.role}, does not cover {scope}.")


def _user(context: RequestContext) -> str | None:
    return context.principal.user_id if isinstance(context.principal, SessionPrincipal) else None


async def _any_key(_: ApiKey) -> bool:
    return True
