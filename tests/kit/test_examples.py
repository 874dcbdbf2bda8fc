"""Every example of the document is what the sandbox's default seed has, and works as given."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from kit import examples
from kit.examples import Facts, Request
from kit.write_examples import DOCUMENT as FILE
from kit.write_examples import written
from support.sandboxes import Sandbox

from hookstream_keys.contract import spec
from hookstream_keys.domain import keys

DOCUMENT = spec.document()
NAMED: dict[str, Any] = DOCUMENT["components"]["examples"]

#: Examples without values of the seed.
FREE = {
    "ChangeKey",
    "RotateKey",
    "SignUp",
    "SignOut",
    "CreateOrganization",
    "ChangeEnvironmentName",
    "ChangeName",
    "ChangeRole",
    "CreateEnvironment",
    # The sandbox verifies no email addresses.
    "SignedUpUnverified",
}

#: A key that the sandbox has, or makes.
KEY = re.compile(r"hs_(?:live|test)_[0-9a-f]{64}")


@pytest.fixture(scope="module")
def facts(running_sandbox: Sandbox) -> Facts:
    return running_sandbox.facts


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=20) as opened:
        yield opened


def test_every_example_of_a_request_has_the_values_of_the_seed(facts: Facts) -> None:
    for name, value in examples.bodies(facts).items():
        assert NAMED[name]["value"] == value, name


def test_every_example_of_a_response_is_what_the_sandbox_answers(
    facts: Facts, client: httpx.Client
) -> None:
    for name, request in examples.responses(facts).items():
        answer = examples.send(client, facts, request)
        assert answer.is_success, f"{name}: {answer.text}"
        assert answer.json() == NAMED[name]["value"], name


def test_no_example_is_forgotten(facts: Facts) -> None:
    bodies, responses = examples.bodies(facts), examples.responses(facts)
    assert bodies.keys() | responses.keys() | FREE == NAMED.keys()
    assert not bodies.keys() & responses.keys()


def test_writing_the_examples_again_changes_nothing(facts: Facts) -> None:
    text = FILE.read_text(encoding="utf-8")
    assert written(text, facts) == text


def parameters() -> dict[str, str]:
    """The document's examples of parameters and fields that are ids, by what they are."""
    shared = DOCUMENT["components"]["parameters"]
    create = DOCUMENT["components"]["schemas"]["CreateApiKeyRequest"]["properties"]

    def of_path(path: str, name: str) -> str:
        (found,) = [
            each["example"]
            for each in DOCUMENT["paths"][path]["parameters"]
            if each.get("name") == name
        ]
        return str(found)

    (resource,) = [
        each["example"]
        for each in spec.parameters(DOCUMENT, "listAuditLog")
        if each["name"] == "resource_id"
    ]
    rotation = "/auth/api-keys/{id}/rotations/{rotation_id}"
    found = {
        "organization": {
            shared["OrgId"]["example"],
            shared["OrganizationId"]["example"],
            create["org_id"]["example"],
        },
        "environment": {create["env_id"]["example"]},
        # These can be deleted as given.
        "spare organization": {of_path("/organizations/{id}", "id")},
        "spare environment": {of_path("/environments/{id}", "id")},
        "key": {shared["ApiKeyId"]["example"], resource},
        "key with a rotation": {of_path(rotation, "id")},
        "rotation": {of_path(rotation, "rotation_id")},
        "member": {of_path("/organizations/{id}/members/{member_id}", "member_id")},
    }
    assert all(len(each) == 1 for each in found.values()), found
    return {name: next(iter(each)) for name, each in found.items()}


def test_an_example_of_a_request_belongs_to_one_operation() -> None:
    used = Counter(
        example["$ref"]
        for operation in spec.operations(DOCUMENT)
        for media in DOCUMENT["paths"][operation.path][operation.method.lower()]
        .get("requestBody", {})
        .get("content", {})
        .values()
        for example in media.get("examples", {}).values()
    )
    assert used
    assert [name for name, times in used.items() if times > 1] == []


def test_every_example_of_a_parameter_has_the_value_of_the_seed(facts: Facts) -> None:
    assert parameters() == examples.parameters(facts)


def as_given() -> Iterator[tuple[str, str | None]]:
    """Each operation with each example of its body."""
    for item in DOCUMENT["paths"].values():
        for method in spec.METHODS:
            operation = item.get(method)
            if operation is None:
                continue
            content = operation.get("requestBody", {}).get("content", {})
            named = content.get("application/json", {}).get("examples", {"": None}).values()
            for example in named:
                yield operation["operationId"], example and example["$ref"].rpartition("/")[2]


@pytest.mark.parametrize(("operation_id", "body"), list(as_given()))
def test_every_example_works_as_given(
    operation_id: str, body: str | None, facts: Facts, client: httpx.Client
) -> None:
    operation = spec.operation(operation_id)
    needs_key = operation_id == "authorize"
    credential = "key" if needs_key else "session_token" if operation.secured else ""
    # Without a credential it succeeds, and the sandbox keeps its session.
    credential = "" if operation_id == "signOut" else credential
    answer = examples.send(client, facts, Request(operation_id, body, credential=credential))
    (expected, *_) = operation_of(operation_id)["responses"]
    assert answer.status_code == int(expected), answer.text


def operation_of(operation_id: str) -> dict[str, Any]:
    (found,) = [
        item[method]
        for item in DOCUMENT["paths"].values()
        for method in spec.METHODS
        if item.get(method, {}).get("operationId") == operation_id
    ]
    return dict(found)


def names(part: dict[str, Any]) -> list[str]:
    return list(part["content"]["application/json"]["examples"])


def test_verification_has_an_example_of_every_code_and_the_first_is_valid() -> None:
    operation = operation_of("verifyApiKey")
    response = operation["responses"]["200"]
    assert names(operation["requestBody"]) == names(response)
    shown = response["content"]["application/json"]["examples"].values()
    values = [NAMED[each["$ref"].rpartition("/")[2]]["value"] for each in shown]
    codes = DOCUMENT["components"]["schemas"]["VerificationCode"]["enum"]
    assert [each["code"] for each in values][: len(codes)] == codes
    assert all(each["valid"] == (each["code"] == "VALID") for each in values)


def test_a_key_has_an_example_of_every_state_and_rotation() -> None:
    shown = DOCUMENT["components"]["responses"]["ApiKey"]["content"]["application/json"]["examples"]
    values = [NAMED[each["$ref"].rpartition("/")[2]]["value"]["api_key"] for each in shown.values()]
    schemas = DOCUMENT["components"]["schemas"]
    assert {each["state"] for each in values} == set(schemas["KeyState"]["enum"])
    rotations = {rotation["state"] for each in values for rotation in each["rotations"]}
    assert rotations == set(schemas["RotationState"]["enum"])


def test_every_key_in_the_document_has_the_sandbox_s_mark() -> None:
    found = set(KEY.findall(FILE.read_text(encoding="utf-8")))
    assert len(found) > 10
    malformed = NAMED["VerifyMalformed"]["value"]["key"]
    assert {key for key in found if not keys.is_well_formed(key)} == {malformed}
    for key in found:
        assert key.startswith("hs_test_")
        assert key[-16:-8] == keys.SANDBOX_MARK.hex()


def test_no_idempotency_key_is_prefilled() -> None:
    """A second request with it would get the response of the first."""
    parameter = DOCUMENT["components"]["parameters"]["IdempotencyKey"]
    assert "example" not in parameter
    assert not parameter.keys() & {"examples", "default"}
    assert not parameter["schema"].keys() & {"example", "default"}
