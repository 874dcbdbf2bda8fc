"""The requests that could slow another tenant down: all candidates, and the twelve heaviest."""

from typing import Any

from harness.clients import Requests, http_request

from fairness import rows, tenant

_KEYS, _AUDIT_LOG = "/v1/auth/api-keys", "/v1/audit-log"
_OWNER = f"Authorization: Bearer {tenant.OWNER_TOKEN}"
_USER_OF_MANY = f"Authorization: Bearer {tenant.TOKEN_OF_MANY}"
_CALLER = f"X-API-Key: {tenant.known_key(0).secret}"


def _get(target: str, credential: str = _OWNER) -> tuple[bytes]:
    return (http_request("GET", target, credential),)


def _list(query: str) -> tuple[bytes]:
    return _get(f"{_KEYS}?limit=100&org_id={tenant.ORG}&{query}")


def _audit_log(query: str) -> tuple[bytes]:
    return _get(f"{_AUDIT_LOG}?limit=200&org_id={tenant.ORG}&{query}")


def _rules(letter: str) -> dict[str, Any]:
    """The largest rules that a key may have."""
    return {
        "name": letter * 100,
        "scopes": " ".join(f"{letter * 47}{each:02}:*" for each in range(19)),
        "allowed_ips": list(tenant.networks(0xFFFF)),
        "rate_limit": {"requests": 1_000_000, "window_seconds": 86_400},
        "metadata": dict.fromkeys(tenant.metadata(), letter * 73),
        "external_id": letter * 128,
    }


def _verify(number: int) -> dict[str, str]:
    """A verification that compares all networks of a key, and finds none that contains the IP."""
    return {"key": tenant.known_key(number).secret, "ip": "2001:db9::1"}


def _creation(env: str, rules: dict[str, Any]) -> tuple[bytes]:
    body = {"org_id": tenant.ORG, "env_id": env, **rules}
    return (http_request("POST", _KEYS, _OWNER, body),)


def _to_makers(method: str, query: str, body: Any = None) -> tuple[bytes, ...]:
    members = f"/v1/organizations/{tenant.ORG}/members"
    return tuple(
        http_request(method, f"{members}/{tenant.member_of_maker(number)}?{query}", _OWNER, body)
        for number in range(tenant.MAKERS)
    )


#: A page without a match may say that older keys are left to be read, or that there are none.
_KEY_PAGE, _EMPTY_PAGE = '{"api_keys":[', '{"api_keys":[],'
#: All candidates, by the name of `--only`.
CANDIDATES = {
    "list-keys-large": Requests(
        title="list keys, each with 4 KB of metadata",
        requests=_list(f"env_id={tenant.PLENTY}"),
        shows='"m' + "m" * 70,
    ),
    "list-keys-name": Requests(
        title="list keys by a name that none has", requests=_list("name=none"), shows=_EMPTY_PAGE
    ),
    "list-keys-name-in-environment": Requests(
        title="list keys of an environment by a name that none has",
        requests=_list(f"env_id={tenant.PLENTY}&name=none"),
        shows=_EMPTY_PAGE,
    ),
    "list-keys-created-by": Requests(
        title="list keys by a creator of none",
        requests=_list("created_by=usr_none"),
        shows=_EMPTY_PAGE,
    ),
    "list-keys-rotated-by": Requests(
        title="list keys rotated by a user with 110,000 rotations",
        requests=_list(f"rotated_by={tenant.ROTATOR}"),
        shows='"pending"',
    ),
    "list-keys-rotated-by-maker": Requests(
        title="list keys rotated by a user with 10,000 descendants",
        requests=_list(f"rotated_by={tenant.maker(0)}"),
        shows=_EMPTY_PAGE,
    ),
    "list-keys-active": Requests(
        title="list active keys: the oldest of 200,000 revoked ones",
        requests=_list(f"env_id={tenant.REVOKED}&state=active"),
        shows=_KEY_PAGE,
    ),
    "list-keys-active-expired": Requests(
        title="list active keys: the oldest of 100,000 expired ones",
        requests=_list(f"env_id={tenant.EXPIRED}&state=active"),
        shows=_KEY_PAGE,
    ),
    "list-keys-expired": Requests(
        title="list expired keys: none of 240,000",
        requests=_list(f"env_id={tenant.PLENTY}&state=expired"),
        shows=_KEY_PAGE,
    ),
    "list-keys-revoked": Requests(
        title="list revoked keys: the oldest of 240,000",
        requests=_list(f"env_id={tenant.PLENTY}&state=revoked"),
        shows=_KEY_PAGE,
    ),
    "list-keys-disabled": Requests(
        title="list disabled keys: one of all in the organization",
        requests=_list("state=disabled"),
        shows=_KEY_PAGE,
    ),
    "list-keys-of-many": Requests(
        title="list keys, by a user in 20,000 organizations",
        requests=_get(f"{_KEYS}?limit=100", _USER_OF_MANY),
        shows=_EMPTY_PAGE,
    ),
    "list-organizations": Requests(
        title="list the organizations of a user in 20,000",
        requests=_get("/v1/organizations?limit=100", _USER_OF_MANY),
        shows='"has_more":true',
    ),
    "whoami": Requests(
        title="whoami, by a user in 20,000 organizations",
        requests=_get("/v1/auth/whoami", _USER_OF_MANY),
    ),
    "list-members": Requests(
        title="list 10,000 members",
        requests=_get(f"/v1/organizations/{tenant.ORG}/members?limit=100"),
        shows='"has_more":true',
    ),
    "list-environments": Requests(
        title="list environments, behind 50,000 deleted ones",
        requests=_get(f"/v1/environments?limit=100&org_id={tenant.ORG}"),
        shows=tenant.PLENTY,
    ),
    "list-audit-log-large": Requests(
        title="list the audit log, 200 rows with the largest details",
        requests=_audit_log("action=api_key.updated"),
        shows='"changes":{"name":{"old":"aaaa',
    ),
    "list-audit-log-action": Requests(
        title="list the audit log by an action that none has",
        requests=_audit_log("action=none"),
        shows='"audit_log":[],',
    ),
    "list-audit-log-action-by-key": Requests(
        title="list an environment's audit log by an action that none has",
        requests=_get(f"{_AUDIT_LOG}?limit=200&action=none", _CALLER),
        shows='"audit_log":[],',
    ),
    "list-audit-log-type": Requests(
        title="list the audit log by a resource type that none has",
        requests=_audit_log("resource_type=none"),
        shows='"audit_log":[],',
    ),
    "list-audit-log-deep": Requests(
        title="list the audit log, a deep page",
        requests=_audit_log(f"cursor={tenant.event_id(2_000)}"),
        shows='"has_more":true',
    ),
    "get-key": Requests(
        title="get a key with 100,000 rotations",
        requests=_get(f"{_KEYS}/{tenant.ROTATED_KEY}"),
        shows='"pending"',
    ),
    "rotate-key": Requests(
        title="rotate a key with 100,000 rotations",
        requests=(
            http_request(
                "POST",
                f"{_KEYS}/{tenant.ROTATED_KEY}/rotations",
                _OWNER,
                {"grace_period_seconds": 0},
            ),
        ),
        status=201,
    ),
    "verify-batch": Requests(
        title="verify 100 keys with 50 networks each",
        requests=(
            http_request(
                "POST",
                f"{_KEYS}/verify-batch",
                _CALLER,
                {"requests": [_verify(1 + each) for each in range(tenant.KEYS_WITH_NETWORKS)]},
            ),
        ),
        shows='"IP_NOT_ALLOWED"',
    ),
    "verify": Requests(
        title="verify a key with 50 networks",
        requests=tuple(
            http_request("POST", f"{_KEYS}/verify", _CALLER, _verify(1 + each))
            for each in range(tenant.KEYS_WITH_NETWORKS)
        ),
        shows='"IP_NOT_ALLOWED"',
    ),
    "sign-in": Requests(
        title="sign in (scrypt)",
        requests=tuple(
            http_request(
                "POST",
                "/v1/auth/sign-in/email",
                body={"email": tenant.user_that_signs_in(each), "password": tenant.PASSWORD},
            )
            for each in range(tenant.USERS_THAT_SIGN_IN)
        ),
    ),
    "create-key": Requests(
        title="create a key with the largest rules",
        requests=_creation(tenant.SPARE, _rules("a")),
        status=201,
    ),
    "create-key-over-quota": Requests(
        title="create a key over the quota of 100,000",
        requests=_creation(tenant.PLENTY, {"name": "One more"}),
        status=409,
        shows="quota_exceeded",
    ),
    "update-key": Requests(
        title="update every rule of a key to the largest",
        requests=tuple(
            http_request(
                "PATCH", f"{_KEYS}/{tenant.key_id(rows.PLENTY, 2 + each)}", _OWNER, _rules(letter)
            )
            for each, letter in enumerate("abcdefgh")
        ),
    ),
    "update-member": Requests(
        title="change the role of a member with 10,000 descendants",
        requests=_to_makers("PATCH", "api_keys=keep", {"role": "member"}),
    ),
    "delete-member": Requests(
        title="remove a member, and revoke 10,000 descendants",
        requests=_to_makers("DELETE", "api_keys=revoke"),
        once=True,
    ),
    "revoke-key": Requests(
        title="revoke a key with 10,000 descendants",
        requests=tuple(
            http_request(
                "DELETE",
                f"{_KEYS}/{tenant.key_id(rows.FIRST_ROOT + number, 0)}?descendants=true",
                _OWNER,
            )
            for number in range(tenant.ROOTS)
        ),
        status=204,
        once=True,
    ),
    "delete-environment": Requests(
        title="delete an environment with 200,000 keys",
        requests=(http_request("DELETE", f"/v1/environments/{tenant.DOOMED}", _OWNER),),
        status=204,
        once=True,
    ),
    "delete-organization": Requests(
        title="delete an organization with 100,000 keys",
        requests=(http_request("DELETE", f"/v1/organizations/{tenant.DOOMED_ORG}", _OWNER),),
        status=204,
        once=True,
    ),
    "get-document": Requests(
        title="get the document as JSON", requests=_get("/v1/openapi.json", ""), shows="openapi"
    ),
    "get-readiness": Requests(
        title="get readiness", requests=_get("/v1/health/ready", ""), shows='"status"'
    ),
}

#: The twelve heaviest, as README.md says, in the order of the runs: the writes change most.
CHOSEN = (
    "list-keys-name-in-environment",
    "list-keys-rotated-by-maker",
    "list-keys-active-expired",
    "list-keys-large",
    "list-audit-log-action-by-key",
    "list-audit-log-large",
    "list-audit-log-deep",
    "verify-batch",
    "revoke-key",
    "delete-member",
    "delete-environment",
    "delete-organization",
)
