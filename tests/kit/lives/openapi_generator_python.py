"""The life of a key by the client that openapi-generator makes for Python."""

import json
import os

import openapi_client as api

UNKNOWN = "ak_00000000000000000000000000000000"

client = api.ApiClient(
    api.Configuration(host=os.environ["BASE_URL"], api_key={"apiKeyHeader": os.environ["API_KEY"]})
)
keys, verification = api.APIKeysApi(client), api.VerificationApi(client)


def verify(secret: str) -> api.Verification:
    return verification.verify_api_key(api.VerifyRequest(key=secret))


created = keys.create_api_key(
    api.CreateApiKeyRequest(
        name="Life",
        org_id=os.environ["ORG_ID"],
        env_id=os.environ["ENV_ID"],
        scopes="events:read",
        metadata={"team": "billing"},
        rate_limit=api.RateLimitRequest(requests=100, window_seconds=60),
    )
)
codes = {"created": verify(created.key)}
rotated = keys.rotate_api_key(created.id, api.RotateRequest(grace_period_seconds=3600))
codes["rotated"] = verify(rotated.key)
codes["in grace"] = verify(created.key)
states = [keys.get_api_key(created.id).api_key.rotations[0].state]
keys.update_api_key(created.id, api.UpdateApiKeyRequest(enabled=False))
codes["disabled"] = verify(rotated.key)
keys.revoke_api_key(created.id, reason=api.RevocationReason.REVOCATION_REASON_SUPERSEDED)
codes["revoked"] = verify(rotated.key)
listed = keys.list_api_keys(state=api.KeyState.KEY_STATE_REVOKED, name="Life").api_keys[0]

try:
    keys.get_api_key(UNKNOWN)
except api.ApiException as refusal:
    error = refusal.data
assert isinstance(error, api.ErrorResponse)
assert error.code is api.ErrorCode.ERROR_CODE_API_KEY_NOT_FOUND

print(
    json.dumps(
        {
            "codes": {when: outcome.code for when, outcome in codes.items()},
            "metadata": codes["created"].api_key.metadata["team"],
            "remaining": codes["created"].rate_limit.remaining,
            "rotation": states[0],
            "listed": [listed.id == created.id, listed.state, listed.revocation_reason],
            "error": [error.status, error.code, error.error],
        }
    )
)
