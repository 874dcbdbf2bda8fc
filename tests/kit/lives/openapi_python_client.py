"""The life of a key by the client that openapi-python-client makes."""

# The package is generated when the tests run.
# mypy: ignore-errors

import json
import os

from key_service_api import AuthenticatedClient
from key_service_api.api.api_keys import (
    create_api_key,
    get_api_key,
    list_api_keys,
    revoke_api_key,
    rotate_api_key,
    update_api_key,
)
from key_service_api.api.verification import verify_api_key
from key_service_api.models import (
    CreateApiKeyRequest,
    ErrorCode,
    ErrorResponse,
    KeyState,
    Metadata,
    RateLimitRequest,
    RevocationReason,
    RotateRequest,
    UpdateApiKeyRequest,
    Verification,
    VerifyRequest,
)

UNKNOWN = "ak_00000000000000000000000000000000"

client = AuthenticatedClient(base_url=os.environ["BASE_URL"], token=os.environ["API_KEY"])


def verify(secret: str) -> Verification:
    return verify_api_key.sync(client=client, body=VerifyRequest(key=secret))


created = create_api_key.sync(
    client=client,
    body=CreateApiKeyRequest(
        name="Life",
        org_id=os.environ["ORG_ID"],
        env_id=os.environ["ENV_ID"],
        scopes="events:read",
        metadata=Metadata.from_dict({"team": "billing"}),
        rate_limit=RateLimitRequest(requests=100, window_seconds=60),
    ),
)
codes = {"created": verify(created.key)}
rotated = rotate_api_key.sync(
    created.id, client=client, body=RotateRequest(grace_period_seconds=3600)
)
codes["rotated"] = verify(rotated.key)
codes["in grace"] = verify(created.key)
state = get_api_key.sync(created.id, client=client).api_key.rotations[0].state
update_api_key.sync(created.id, client=client, body=UpdateApiKeyRequest(enabled=False))
codes["disabled"] = verify(rotated.key)
revoke_api_key.sync_detailed(
    created.id, client=client, reason=RevocationReason.REVOCATION_REASON_SUPERSEDED
)
codes["revoked"] = verify(rotated.key)
(listed, *_) = list_api_keys.sync(
    client=client, state=KeyState.KEY_STATE_REVOKED, name="Life"
).api_keys

error = get_api_key.sync(UNKNOWN, client=client)
assert isinstance(error, ErrorResponse)
assert error.code is ErrorCode.ERROR_CODE_API_KEY_NOT_FOUND

print(
    json.dumps(
        {
            "codes": {when: outcome.code for when, outcome in codes.items()},
            "metadata": codes["created"].api_key.metadata["team"],
            "remaining": codes["created"].rate_limit.remaining,
            "rotation": state,
            "listed": [listed.id == created.id, listed.state, listed.revocation_reason],
            "error": [error.status, error.code, error.error],
        }
    )
)
