"""Who may do what: the rules of visibility and rights, each written once.

Visibility comes first. What the caller may not know of is answered exactly as
what never existed; only of what it can see is it told that a right is missing.
"""

from hookstream_keys.call import Call
from hookstream_keys.errors import Detail, EnvironmentNotFound, InsufficientScope, InternalError
from hookstream_keys.principal import Anonymous, KeyPrincipal, Operator, SessionPrincipal
from hookstream_keys.scopes import Scopes
from hookstream_keys.store import Environment


def environment_to(call: Call, scope: str, *, org_id: str, env_id: str) -> Environment:
    """The environment, if the caller can see it and may do there what `scope` names.

    Raises EnvironmentNotFound when it does not exist, does not belong to the
    organization, or is none of the caller's business; InsufficientScope when the caller
    is a key of this environment that lacks the scope.
    """
    environment = _visible_environment(call, org_id, env_id)
    if environment is None:
        raise EnvironmentNotFound
    if isinstance(call.principal, KeyPrincipal) and not call.principal.scopes.allow(scope):
        raise InsufficientScope(f"The key's scopes do not cover {scope}.")
    return environment


def require_no_broader(call: Call, wanted: Scopes) -> None:
    """Refuse to hand out scopes that the caller, being a key, does not have itself.

    Raises InsufficientScope.
    """
    if not isinstance(call.principal, KeyPrincipal):
        return
    beyond = call.principal.scopes.beyond(wanted.names)
    if beyond:
        raise InsufficientScope(
            "A key cannot create one with broader scopes than its own. "
            "Name scopes that it has; without any, the new key would get *.",
            details=[Detail("body/scopes", f"{name} is not covered") for name in beyond],
        )


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
