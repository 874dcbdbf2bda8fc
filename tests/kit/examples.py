"""Where the values of the document's examples come from: the sandbox's default seed.

An example of a response is what the sandbox answers to the example of its request, right after a
reset. `python -m kit.write_examples` writes them; `test_examples.py` holds them equal.
"""

from dataclasses import dataclass, field
from typing import Any

import httpx

from hookstream_keys.contract import spec

Facts = dict[str, Any]

#: What a verification of an example key finds.
OUTCOMES = (
    "Valid",
    "Malformed",
    "NotFound",
    "Revoked",
    "Disabled",
    "Expired",
    "IpNotAllowed",
    "InsufficientScope",
    "RateLimited",
    "RotationPending",
    "RotationInGrace",
)


@dataclass(frozen=True)
class Request:
    """A request that the document's examples make up."""

    operation: str
    #: The example of the body, by its name in `components/examples`.
    body: str | None = None
    #: Values of parameters in place of the document's examples.
    parameters: dict[str, str] = field(default_factory=dict)
    #: The credential: `session_token`, `key` or "" for none.
    credential: str = "session_token"


def bodies(facts: Facts) -> dict[str, Any]:
    """The examples of request bodies that have values of the seed."""
    place = {"org_id": facts["org_id"], "env_id": facts["env_id"]}
    keys = {name: values["key"] for name, values in facts["keys"].items()}
    read, write = {"scopes": "events:read"}, {"scopes": "events:write"}
    return {
        "CreateProductionKey": {"name": "Production key", **place, "scopes": "*"},
        "CreateNarrowKey": {
            "name": "Delivery worker",
            **place,
            "scopes": "events:read deliveries:*",
        },
        "FoundKey": {"key": keys["active"], "reason": "keyCompromise"},
        "VerifyValid": {"key": keys["active"], **read},
        "VerifyMalformed": {"key": f"{keys['active'][:-1]}0"},
        "VerifyNotFound": {"key": facts["other_tenant"]["key"]},
        "VerifyRevoked": {"key": keys["revoked"]},
        "VerifyDisabled": {"key": keys["disabled"]},
        "VerifyExpired": {"key": keys["expired"]},
        "VerifyIpNotAllowed": {"key": keys["ip_bound"], "ip": "198.51.100.7"},
        "VerifyInsufficientScope": {"key": keys["out_of_scope"], **write},
        "VerifyRateLimited": {"key": keys["rate_limited"]},
        "VerifyRotationPending": {"key": keys_new(facts, "rotation_pending")},
        "VerifyRotationInGrace": {"key": keys["rotation_in_grace"]},
        "VerifyKeys": {"requests": [{"key": keys["active"], **read}, {"key": keys["revoked"]}]},
        "SignIn": {"email": facts["email"], "password": facts["password"]},
        "AddMember": {"email": "owner@example.net", "role": "admin"},
    }


def keys_new(facts: Facts, name: str) -> str:
    """The new secret of a rotated key."""
    return str(facts["keys"][name]["new_key"])


def parameters(facts: Facts) -> dict[str, str]:
    """The examples of parameters and of fields that have values of the seed, by what they are."""
    return {
        "organization": facts["org_id"],
        "environment": facts["env_id"],
        "spare organization": facts["spare"]["org_id"],
        "spare environment": facts["spare"]["env_id"],
        "key": facts["keys"]["active"]["id"],
        "key with a rotation": facts["keys"]["rotation_pending"]["id"],
        "rotation": facts["keys"]["rotation_pending"]["rotation_id"],
        "member": facts["users"]["member"]["member_id"],
    }


def responses(facts: Facts) -> dict[str, Request]:
    """The examples of responses, and the request that each answers."""

    def key(name: str) -> Request:
        return Request("getApiKey", parameters={"id": facts["keys"][name]["id"]})

    return {
        "CreatedKey": Request("createApiKey", "CreateProductionKey"),
        "CreatedNarrowKey": Request("createApiKey", "CreateNarrowKey"),
        "KeyPage": Request("listApiKeys", parameters={"limit": "2"}),
        "ActiveKey": key("active"),
        "DisabledKey": key("disabled"),
        "ExpiredKey": key("expired"),
        "RevokedKey": key("revoked"),
        "KeyWithPendingRotation": key("rotation_pending"),
        "KeyInGrace": key("rotation_in_grace"),
        "ChangedKey": Request("updateApiKey", "ChangeKey"),
        "RotatedKey": Request("rotateApiKey", "RotateKey"),
        **{
            f"Verified{outcome}": Request("verifyApiKey", f"Verify{outcome}")
            for outcome in OUTCOMES
        },
        "VerifiedKeys": Request("verifyApiKeys", "VerifyKeys"),
        "KeyPrincipal": Request("whoami", credential="key"),
        "SessionPrincipal": Request("whoami"),
        "SignedUp": Request("signUpEmail", "SignUp", credential=""),
        "SignedIn": Request("signInEmail", "SignIn", credential=""),
        "CurrentSession": Request("getSession"),
        "OrganizationPage": Request("listOrganizations"),
        "CreatedOrganization": Request("createOrganization", "CreateOrganization"),
        "Organization": Request("getOrganization"),
        "ChangedOrganization": Request("updateOrganization", "ChangeName"),
        "MemberPage": Request("listMembers"),
        "AddedMember": Request("addMember", "AddMember"),
        "Member": Request("getMember"),
        "ChangedMember": Request("updateMember", "ChangeRole"),
        "RemovedMember": Request("removeMember"),
        "EnvironmentPage": Request("listEnvironments"),
        "CreatedEnvironment": Request("createEnvironment", "CreateEnvironment"),
        "Environment": Request("getEnvironment"),
        "ChangedEnvironment": Request("updateEnvironment", "ChangeEnvironmentName"),
        "AuditLogPage": Request("listAuditLog"),
    }


def send(client: httpx.Client, facts: Facts, request: Request, body: Any = None) -> httpx.Response:
    """What the sandbox answers to a request, after a reset.

    `body` takes the place of the body's example.
    """
    client.post(f"{facts['control_url']}/reset").raise_for_status()
    document = spec.document()
    operation = spec.operation(request.operation)
    path, query = operation.path, {}
    for parameter in spec.parameters(document, request.operation):
        name = parameter["name"]
        value = request.parameters.get(name, parameter.get("example"))
        if value is None:
            continue
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", value)
        elif parameter["in"] == "query":
            query[name] = value
    if body is None and request.body is not None:
        body = document["components"]["examples"][request.body]["value"]
    headers = {}
    if request.credential:
        headers["Authorization"] = f"Bearer {facts[request.credential]}"
    url = facts["base_url"] + path
    return client.request(operation.method, url, params=query, json=body, headers=headers)
