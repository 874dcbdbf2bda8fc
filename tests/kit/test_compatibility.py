"""The document breaks no client of the last release, and the check finds what would."""

import copy
import fnmatch
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kit.breaking_changes import accepted_changes, breaking_changes, read, reason_of
from support.readme import ROOT, code_blocks

from hookstream_keys.contract import spec

HERE = Path(__file__).parent
#: One file, named after its version; RELEASING.md says how it is replaced.
(RELEASED,) = (HERE / "released").iterdir()

Document = dict[str, Any]
Change = Callable[[Document], Any]


@pytest.fixture(autouse=True)
def compared(node_modules: Path) -> None:
    """api-smart-diff, which Node.js runs."""


def test_nothing_breaks_since_the_last_release() -> None:
    assert read(RELEASED)["info"]["version"] == RELEASED.stem
    found = breaking_changes(read(RELEASED), spec.document())
    assert [change for change in found if reason_of(change) is None] == []
    # None is accepted that is not made.
    unused = [each for each in accepted_changes() if not fnmatch.filter(found, each)]
    assert unused == []


def test_the_command_of_the_page_says_so() -> None:
    (block,) = code_blocks((ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8"))
    assert block.startswith("python3 ")
    command = block.replace("python3", sys.executable, 1)
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, cwd=ROOT, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1].startswith("0 breaking changes, ")


def test_the_command_fails_when_there_is_a_breaking_change(tmp_path: Path) -> None:
    text = RELEASED.read_text(encoding="utf-8")
    changed = tmp_path / "openapi.yaml"
    changed.write_text(re.sub(r"operationId: whoami\b", "operationId: whoIsIt", text), "utf-8")
    command = [sys.executable, *map(str, (HERE / "breaking_changes.py", RELEASED, changed))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "GET /auth/whoami: operationId was whoami",
        "1 breaking changes, 0 accepted.",
    ]


def after(change: Change) -> list[str]:
    """The breaking changes from the document to one that was changed so."""
    changed = copy.deepcopy(spec.document())
    change(changed)
    assert changed != spec.document()
    return breaking_changes(spec.document(), changed)


def schema(document: Document, name: str) -> Document:
    found: Document = document["components"]["schemas"][name]
    return found


def add(name: str, *, required: bool = False) -> Change:
    def change(document: Document) -> None:
        schema(document, name)["properties"]["note"] = {"type": "string"}
        if required:
            schema(document, name)["required"].append("note")

    return change


def operation(document: Document, path: str, method: str = "get") -> Document:
    found: Document = document["paths"][path][method]
    return found


def parameters(document: Document) -> list[Document]:
    found: list[Document] = operation(document, "/auth/api-keys")["parameters"]
    return found


def query(name: str, *, required: bool) -> Document:
    return {"name": name, "in": "query", "required": required, "schema": {"type": "string"}}


def new_operation(document: Document) -> None:
    added = {**operation(document, "/auth/whoami"), "operationId": "whoAmI"}
    document["paths"]["/auth/who-am-i"] = {"get": added}


#: What docs/compatibility.md allows in a minor release.
ADDITIONS: dict[str, Change] = {
    "a field of a response": add("ApiKey"),
    "a field of a response that is always there": add("CreatedApiKey", required=True),
    "a field of errors": add("ErrorResponse"),
    "an optional field of a request": add("CreateApiKeyRequest"),
    "a code of errors": lambda each: schema(each, "ErrorCode")["enum"].append("payment_required"),
    "a code of verifications": lambda each: schema(each, "VerificationCode")["enum"].append("X"),
    "a failed rule": lambda each: schema(each, "FailedRule")["enum"].append("weekday"),
    "an operation": new_operation,
    "an optional parameter": lambda each: parameters(each).insert(0, query("q", required=False)),
    "a longer name": lambda each: schema(each, "CreateApiKeyRequest")["properties"]["name"].update(
        maxLength=200
    ),
    "a status of errors": lambda each: operation(each, "/auth/whoami")["responses"].update(
        {"403": {"$ref": "#/components/responses/Forbidden"}}
    ),
    "a header": lambda each: operation(each, "/auth/whoami")["responses"]["200"]["headers"].update(
        {"X-Note": {"schema": {"type": "string"}}}
    ),
    "a way to authenticate": lambda each: each["security"].append({"mutualTls": []}),
    "null in a request": lambda each: schema(each, "Email").update(nullable=True),
    "no scope": lambda each: operation(each, "/environments").pop("x-required-scope"),
    "another text": lambda each: operation(each, "/environments").update(summary="Environments"),
}


def remove(name: str, field: str) -> Change:
    def change(document: Document) -> None:
        del schema(document, name)["properties"][field]
        required = schema(document, name).get("required", [])
        if field in required:
            required.remove(field)

    return change


def rename(document: Document) -> None:
    schemas = document["components"]["schemas"]
    schemas["Principal"] = schemas.pop("Whoami")


#: What it never allows.
BREAKING: dict[str, Change] = {
    "a removed field of a response": remove("CreatedApiKey", "name"),
    "a removed field of a response by reference": remove("ApiKey", "state"),
    "a field of a response that may be missing": lambda each: schema(each, "ApiKey")[
        "required"
    ].remove("name"),
    "a field of a response that may be null": lambda each: schema(each, "Member")["properties"][
        "email"
    ].update(nullable=True),
    "another type of a field": lambda each: schema(each, "ApiKey")["properties"]["name"].update(
        type="integer"
    ),
    "another type in a request": lambda each: schema(each, "CreateApiKeyRequest")["properties"][
        "name"
    ].update(type="integer"),
    "no more null in a request": lambda each: schema(each, "Expiry").pop("nullable"),
    "a new state": lambda each: schema(each, "RotationState")["enum"].append("paused"),
    "a new required field of a request": add("CreateApiKeyRequest", required=True),
    "a removed field of a request": remove("CreateApiKeyRequest", "metadata"),
    "a narrower enumeration in a request": lambda each: schema(each, "Role")["enum"].remove(
        "admin"
    ),
    "a narrower enumeration of a parameter": lambda each: schema(each, "KeyState")["enum"].remove(
        "expired"
    ),
    "a shorter name": lambda each: schema(each, "CreateApiKeyRequest")["properties"]["name"].update(
        maxLength=50
    ),
    "another pattern": lambda each: schema(each, "CreateApiKeyRequest")["properties"][
        "name"
    ].update(pattern="^a"),
    "another default": lambda each: schema(each, "VerifyRequest")["properties"]["explain"].update(
        default=True
    ),
    "a required parameter": lambda each: parameters(each).append(query("q", required=True)),
    "a removed parameter": lambda each: parameters(each).pop(),
    "a removed operation": lambda each: each["paths"].pop("/auth/whoami"),
    "a renamed operation": lambda each: operation(each, "/auth/whoami").update(operationId="who"),
    "another successful status": lambda each: operation(each, "/auth/api-keys", "post")[
        "responses"
    ].update({"200": operation(each, "/auth/api-keys", "post")["responses"].pop("201")}),
    "a removed header": lambda each: operation(each, "/auth/authorize")["responses"]["204"][
        "headers"
    ].pop("X-Key-Id"),
    "a way to authenticate less": lambda each: each["security"].pop(0),
    "a credential for what was public": lambda each: operation(each, "/health").pop("security"),
    "another cookie": lambda each: each["components"]["securitySchemes"]["sessionCookie"].update(
        name="session"
    ),
    "another scope": lambda each: operation(each, "/environments").update(
        {"x-required-scope": "environments:list"}
    ),
}


@pytest.mark.parametrize("change", ADDITIONS.values(), ids=ADDITIONS)
def test_this_breaks_no_client(change: Change) -> None:
    assert after(change) == []


@pytest.mark.parametrize("change", BREAKING.values(), ids=BREAKING)
def test_this_breaks_clients(change: Change) -> None:
    assert after(change)


def test_names_of_generated_code_are_stable_from_0_3_0_on() -> None:
    before, after = (copy.deepcopy(spec.document()) for _ in range(2))
    rename(after)
    schema(after, "Role")["x-enum-varnames"][0] = "OWNER"
    for document in (before, after):
        # What refers to a schema is compared by content.
        document["paths"] = {}
    before["info"]["version"] = "0.2.0"
    assert breaking_changes(before, after) == []
    before["info"]["version"] = "0.3.0"
    assert breaking_changes(before, after) == [
        "schemas/Whoami: is removed",
        "schemas/Role: the constant ROLE_OWNER is removed",
    ]
