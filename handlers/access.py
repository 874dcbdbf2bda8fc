"""Who may do what: the rules of visibility and rights, each written once.

Visibility comes first. What the caller may not know of is answered exactly as
what never existed; only of what it can see is it told that a right is missing.
"""

from collections.abc import Callable

from hookstream_keys import networks, timestamps
from hookstream_keys.call import Call
from hookstream_keys.errors import (
    BadRequest,
    Detail,
    EnvironmentNotFound,
    Forbidden,
    InsufficientScope,
    InternalError,
    KeyNotFound,
    OrganizationNotFound,
)
from hookstream_keys.principal import Anonymous, KeyPrincipal, Operator, SessionPrincipal
from hookstream_keys.scopes import Scopes
from hookstream_keys.store import ApiKey, AuditFilter, Environment, KeyFilter

#: The roles that manage what others made.
MANAGERS = {"owner", "admin"}
#: What every member may do to every key of the organization.
EVERY_MEMBER = {"api-keys:read"}


def environment_to(call: Call, scope: str, *, org_id: str, env_id: str) -> Environment:
    """The environment, if the caller can see it and may do there what `scope` names.

    Raises EnvironmentNotFound when it does not exist, does not belong to the
    organization, or is none of the caller's business; InsufficientScope when the caller
    is a key of this environment that lacks the scope.
    """
    environment = _visible_environment(call, org_id, env_id)
    if environment is None:
        raise EnvironmentNotFound
    require_scope(call, scope)
    return environment


def key_to(call: Call, action: str, key_id: str) -> ApiKey:
    """The key, if the caller can see it and may do to it what `action` names.

    A session may do everything to the keys that its user created, and as owner or admin of the
    organization to all of them; as member it may read the others. Raises KeyNotFound,
    InsufficientScope or Forbidden.
    """
    key = call.store.find_key_by_id(key_id)
    if key is None or not sees_key(call)(key):
        raise KeyNotFound
    match call.principal:
        case KeyPrincipal(scopes=scopes) if not scopes.allow(action):
            raise InsufficientScope(f"The key's scopes do not cover {action}.")
        case SessionPrincipal(user_id=user_id) if action not in EVERY_MEMBER:
            role = call.store.roles_of(user_id).get(key.org_id, "")
            if key.created_by != user_id and not _manages(role):
                raise Forbidden("Only an owner, an admin or whoever created the key may do this.")
    return key


def sees_key(call: Call) -> Callable[[ApiKey], bool]:
    """Whether the caller may know of a key: a question to be asked of several."""
    match call.principal:
        case KeyPrincipal(org_id=org_id, env_id=env_id):
            return lambda key: (key.org_id, key.env_id) == (org_id, env_id)
        case SessionPrincipal(user_id=user_id):
            roles = call.store.roles_of(user_id)
            return lambda key: key.org_id in roles
        case Operator():
            return lambda _: True
        case Anonymous():
            raise InternalError


def key_filter(call: Call, org_id: str | None, env_id: str | None) -> KeyFilter:
    """What the caller may list of an organization: a key its own environment, others all of it.

    Without `org_id` it is the caller's only one. Raises OrganizationNotFound,
    EnvironmentNotFound, InsufficientScope, or BadRequest when there is a choice.
    """
    now = timestamps.to_text(call.now)
    match call.principal:
        case KeyPrincipal() as key:
            if org_id not in (None, key.org_id):
                raise OrganizationNotFound
            if env_id not in (None, key.env_id):
                raise EnvironmentNotFound
            require_scope(call, "api-keys:read")
            return KeyFilter(key.org_id, now, env_id=key.env_id)
        case SessionPrincipal(user_id=user_id):
            org_id, _ = _own_organization(call, user_id, org_id)
            if env_id is not None and call.store.find_environment(org_id, env_id) is None:
                raise EnvironmentNotFound
            return KeyFilter(org_id, now, env_id=env_id)
        case _:
            raise InternalError


def require_scope(call: Call, scope: str) -> None:
    """Refuse a key whose scopes do not cover `scope`. Raises InsufficientScope."""
    if isinstance(call.principal, KeyPrincipal) and not call.principal.scopes.allow(scope):
        raise InsufficientScope(f"The key's scopes do not cover {scope}.")


def require_no_broader(call: Call, wanted: ApiKey) -> None:
    """Refuse to make a key, or to make of one, what may do more than the caller, being a key.

    More is: scopes that the caller's do not cover, a later end, other addresses. Raises
    InsufficientScope that names each.
    """
    if not isinstance(call.principal, KeyPrincipal):
        return
    own = call.principal
    details = [
        Detail("body/scopes", f"{name} is not covered")
        for name in own.scopes.beyond(Scopes.parse(wanted.scopes).names)
    ]
    if own.expires_at is not None and (wanted.expires_at or "~") > own.expires_at:
        details.append(Detail("body/expires_at", "is later than the caller's own"))
    if own.allowed_ips:
        # None allowed means that all are.
        others = wanted.allowed_ips or ("0.0.0.0/0", "::/0")
        details += [
            Detail("body/allowed_ips", f"{network} is not within the caller's own")
            for network in networks.beyond(own.allowed_ips, others)
        ]
    if details:
        raise InsufficientScope(
            "A key cannot make one that may do more than itself. "
            "What is left out means no limit: name limits within its own.",
            details=details,
        )


def audit_log_to(call: Call, org_id: str | None) -> AuditFilter:
    """What the caller may read of the audit log: of the organization `org_id`, or of its only one.

    An owner or admin reads all of the organization's events. A key that has
    `audit-log:read` reads those that are about its own environment.

    Raises OrganizationNotFound when the organization does not exist or is none of the
    caller's business, BadRequest when the caller has several and names none,
    InsufficientScope or Forbidden when it may not read the log.
    """
    match call.principal:
        case KeyPrincipal() as key:
            if org_id not in (None, key.org_id):
                raise OrganizationNotFound
            require_scope(call, "audit-log:read")
            return AuditFilter(key.org_id, key.env_id)
        case SessionPrincipal() as session:
            wanted, role = _own_organization(call, session.user_id, org_id)
            if not _manages(role):
                raise Forbidden("Only owners and admins may read the audit log.")
            return AuditFilter(wanted)
        case _:
            # The document secures every operation that comes here; a test holds it to that.
            raise InternalError


def _own_organization(call: Call, user_id: str, org_id: str | None) -> tuple[str, str]:
    """The organization that the user names, or the only one, and the user's role in it.

    Raises OrganizationNotFound when it is none of the user's, BadRequest when there is a choice.
    """
    roles = call.store.roles_of(user_id)
    if org_id is None and len(roles) > 1:
        raise BadRequest(
            "The request's parameters are not valid.",
            details=[Detail("query/org_id", "is required: you belong to several organizations")],
        )
    wanted = org_id if org_id is not None else next(iter(roles), "")
    if wanted not in roles:
        raise OrganizationNotFound
    return wanted, roles[wanted]


def _manages(role: str) -> bool:
    """Whether a member of this role manages what others made. better-auth may list several."""
    return not MANAGERS.isdisjoint(part.strip() for part in role.split(","))


def _visible_environment(call: Call, org_id: str, env_id: str) -> Environment | None:
    match call.principal:
        case KeyPrincipal() as key:
            if (key.org_id, key.env_id) != (org_id, env_id):
                return None
            return call.store.find_environment(org_id, env_id)
        case SessionPrincipal() as session:
            return call.store.find_environment_of_member(org_id, env_id, session.user_id)
        case Operator():
            return call.store.find_environment(org_id, env_id)
        case Anonymous():
            # The document secures every operation that comes here; a test holds it to that.
            raise InternalError
