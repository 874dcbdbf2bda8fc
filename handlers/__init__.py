"""One plain coroutine for every operation of `openapi.yaml`: authorize, find, do, record, answer.

A handler gets a `RequestContext` and validated arguments, and returns a body and a status, or
raises an error of `hookstream_keys.domain.errors`. It uses no SQL and no framework. Documentation
pages are not part of the API, and get no context.
"""

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from hookstream_keys.handlers import (
    api_keys,
    audit_log,
    documentation,
    environments,
    health,
    members,
    organizations,
    rotations,
    sessions,
    sign_in,
    verification,
)
from hookstream_keys.handlers.context import Answer, WriteContext

Handler = Callable[..., Coroutine[Any, Any, Answer]]
PageHandler = Callable[..., Answer]

#: The handler of every operation of the API. A test holds it against the document.
OPERATIONS: dict[str, Handler] = {
    "addMember": members.add_member,
    "authorize": verification.authorize,
    "cancelRotation": rotations.cancel_rotation,
    "createApiKey": api_keys.create_api_key,
    "createEnvironment": environments.create_environment,
    "createOrganization": organizations.create_organization,
    "deleteEnvironment": environments.delete_environment,
    "deleteOrganization": organizations.delete_organization,
    "getApiKey": api_keys.get_api_key,
    "getEnvironment": environments.get_environment,
    "getHealth": health.get_health,
    "getMember": members.get_member,
    "getOrganization": organizations.get_organization,
    "getReadiness": health.get_readiness,
    "getSession": sessions.get_session,
    "listApiKeys": api_keys.list_api_keys,
    "listAuditLog": audit_log.list_audit_log,
    "listEnvironments": environments.list_environments,
    "listMembers": members.list_members,
    "listOrganizations": organizations.list_organizations,
    "removeMember": members.remove_member,
    "revokeApiKey": api_keys.revoke_api_key,
    "revokeBySecret": api_keys.revoke_by_secret,
    "rotateApiKey": rotations.rotate_api_key,
    "signInEmail": sign_in.sign_in_email,
    "signOut": sessions.sign_out,
    "signUpEmail": sign_in.sign_up_email,
    "updateApiKey": api_keys.update_api_key,
    "updateEnvironment": environments.update_environment,
    "updateMember": members.update_member,
    "updateOrganization": organizations.update_organization,
    "verifyApiKey": verification.verify_api_key,
    "verifyApiKeys": verification.verify_api_keys,
    "whoami": verification.whoami,
}

#: Handlers that write: they take a `WriteContext`, which only `recheck` creates.
WRITING = {
    operation_id
    for operation_id, handler in OPERATIONS.items()
    if handler.__annotations__["context"] is WriteContext
}

#: Reads whose cost nothing bounds when they have this parameter, and the parameter. They run beside
#: the event loop, for a limited time.
UNBOUNDED = {"listApiKeys": "rotated_by"}


#: Handlers that find a key which the body names, and its field.
LOOKED_UP = {"verifyApiKey": "key"}


class Preparation(NamedTuple):
    """The slow work before a handler's write transaction; each part takes the handler's input."""

    #: Refuses a request before it is queued.
    admit: Callable[..., Coroutine[Any, Any, None]]
    #: The flows of the fair queue that the work belongs to.
    flows: Callable[..., tuple[str, ...]]
    #: The slow work, which writes nothing; the handler gets its result. It gets, too, what runs a
    #: function on a thread.
    work: Callable[..., Coroutine[Any, Any, Any]]
    #: Counts a request that the full queue rejected.
    reject: Callable[..., Coroutine[Any, Any, None]]


PREPARED: dict[str, Preparation] = {
    "signInEmail": Preparation(
        sign_in.admit_sign_in, sign_in.flows, sign_in.check_password, sign_in.reject_sign_in
    ),
    "signUpEmail": Preparation(
        sign_in.admit_sign_up, sign_in.flows, sign_in.hash_password, sign_in.reject_sign_up
    ),
}

#: The handlers of documentation pages.
PAGES: dict[str, PageHandler] = {
    "getOpenapiJson": documentation.get_openapi_json,
    "getOpenapiYaml": documentation.get_openapi_yaml,
    "getSwaggerUi": documentation.get_swagger_ui,
    "getSwaggerUiAsset": documentation.get_swagger_ui_asset,
    "getReference": documentation.get_reference,
    "getReferenceAsset": documentation.get_reference_asset,
    "redirectToReference": documentation.redirect_to_reference,
    "redirectToSwaggerUi": documentation.redirect_to_swagger_ui,
}
