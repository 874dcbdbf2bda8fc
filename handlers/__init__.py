"""One plain function for every operation of `openapi.yaml`: who may, find, do, record, answer.

A handler gets a `Call` and what the specification lets through, and returns a
body and a status, or raises an error of `hookstream_keys.errors`. It knows no
SQL and no framework.
"""

from collections.abc import Callable

from hookstream_keys.call import Answer
from hookstream_keys.handlers import api_keys, audit_log, documentation, health, verification

Handler = Callable[..., Answer]

#: The handler of every operationId. A test holds it against the document.
OPERATIONS: dict[str, Handler] = {
    "authorize": verification.authorize,
    "createApiKey": api_keys.create_api_key,
    "getApiKey": api_keys.get_api_key,
    "getHealth": health.get_health,
    "getOpenapiJson": documentation.get_openapi_json,
    "getOpenapiYaml": documentation.get_openapi_yaml,
    "getReadiness": health.get_readiness,
    "getSwaggerUi": documentation.get_swagger_ui,
    "getSwaggerUiAsset": documentation.get_swagger_ui_asset,
    "listApiKeys": api_keys.list_api_keys,
    "listAuditLog": audit_log.list_audit_log,
    "redirectToSwaggerUi": documentation.redirect_to_swagger_ui,
    "revokeApiKey": api_keys.revoke_api_key,
    "revokeBySecret": api_keys.revoke_by_secret,
    "updateApiKey": api_keys.update_api_key,
    "verifyApiKey": verification.verify_api_key,
    "verifyApiKeys": verification.verify_api_keys,
    "whoami": verification.whoami,
}
