"""openapi-backend takes the document in its strict mode, and its examples are valid to it."""

import json
import subprocess
from pathlib import Path
from typing import Any

from hookstream_keys.contract import spec

HERE = Path(__file__).parent
DOCUMENT = HERE.parent.parent / "openapi.yaml"
EXAMPLES = spec.document()["components"]["examples"]


def problems(*exchanges: dict[str, Any]) -> list[list[str]]:
    """What openapi-backend finds wrong with each exchange. Raises when the document is invalid."""
    done = subprocess.run(
        ["node", HERE / "openapi_backend.mjs", DOCUMENT],
        input="\n".join(map(json.dumps, exchanges)),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def exchange(operation_id: str, status: int, request: Any, response: Any) -> dict[str, Any]:
    operation = spec.operation(operation_id)
    return {
        "operation": operation_id,
        "request": {
            "method": operation.method,
            "path": operation.path,
            "headers": {"content-type": "application/json"},
            "body": request,
        },
        "status": status,
        "response": response,
    }


def example(operation_id: str, status: int, request: str, response: str) -> dict[str, Any]:
    return exchange(operation_id, status, EXAMPLES[request]["value"], EXAMPLES[response]["value"])


def test_its_strict_mode_finds_examples_valid_and_what_is_wrong(node_modules: Path) -> None:
    assert problems(
        example("createApiKey", 201, "CreateProductionKey", "CreatedKey"),
        example("verifyApiKey", 200, "VerifyRateLimited", "VerifiedRateLimited"),
        example("verifyApiKeys", 200, "VerifyKeys", "VerifiedKeys"),
        example("createEnvironment", 201, "CreateEnvironment", "CreatedEnvironment"),
        exchange("verifyApiKey", 200, {"key": "x"}, {"valid": True, "code": "VALID", "more": 1}),
        exchange("verifyApiKey", 200, {"keys": "x"}, {"valid": True, "code": "FINE"}),
    ) == [
        [],
        [],
        [],
        [],
        # Responses are open.
        [],
        ["must have required property 'key'", "must be equal to one of the allowed values"],
    ]
