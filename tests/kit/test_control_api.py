"""The control API keeps to its own document."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import assert_error, unmeasured
from support.sandboxes import Sandbox

from hookstream_keys.contract import spec
from hookstream_keys.contract.schemas import check_value
from hookstream_keys.sandbox.document import document

#: The same requests in every run.
SEED = 20261126


def test_schemathesis_finds_nothing(running_sandbox: Sandbox, tmp_path: Path) -> None:
    # Its own checks, all of them, without any configuration.
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{running_sandbox.facts['control_url']}/openapi.json",
        "--checks=all",
        "--max-examples=15",
        f"--seed={SEED}",
        "--no-color",
    ]
    run = subprocess.run(
        command,
        cwd=tmp_path,
        env=unmeasured(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-5000:]
    assert "Tested: 13" in run.stdout
    found = re.search(r"(\d+) generated, (\d+) passed", run.stdout)
    assert found is not None
    assert found[1] == found[2]
    assert int(found[1]) > 300
    print(f"{found[1]} requests to the control API, seed {SEED}")


def test_the_served_document_is_the_one_that_it_runs_from(world: Sandbox) -> None:
    served = world.do("GET", "/openapi.json")
    (server,) = served["servers"]
    assert server["url"] == world.facts["control_url"]
    assert {**served, "servers": document()["servers"]} == document()


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/reset/nothing"])
def test_an_unknown_path_is_404_that_names_the_control_apis_own_document(
    world: Sandbox, path: str
) -> None:
    error = assert_error(world.control("GET", path), 404, "not_found")
    assert "; /_sandbox/openapi.json lists all paths" in error["error"]
    # As before, the API's own.
    outside = world.call("GET", "/nothing")
    assert "; /v1/openapi.json lists all paths" in outside.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/facts", None),
        ("POST", "/reset", None),
        ("POST", "/states", {"state": "a pending rotation"}),
        ("GET", "/clock", None),
        ("POST", "/clock", {"advance_seconds": 1.5}),
        ("GET", "/faults", None),
        ("POST", "/faults", {"operation": "getHealth", "status": 503, "delay_ms": 1}),
        ("GET", "/requests", None),
        ("GET", "/tenants", None),
    ],
)
def test_what_it_answers_is_what_the_document_says(
    world: Sandbox, method: str, path: str, body: Any
) -> None:
    world.call("POST", "/auth/api-keys", {"name": 7})
    world.call("GET", "/missing")
    answer = world.control(method, path, body)
    found = document()["paths"][path][method.lower()]["responses"][str(answer.status_code)]
    schema = resolved(found)["content"]["application/json"]["schema"]
    assert answer.is_success
    assert check_value(resolved(schema), answer.json(), "body") == []


def resolved(node: Any) -> Any:
    """The node with all references of the control document followed."""
    if isinstance(node, list):
        return [resolved(each) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        found: Any = document()
        for name in node["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        return resolved(found)
    return {name: resolved(each) for name, each in node.items()}


def test_every_operation_says_what_is_wrong_in_the_apis_format(world: Sandbox) -> None:
    for operation in spec.operations(document()):
        path = operation.path.replace("{name}", "gw0")
        refused = world.control(operation.method, f"{path}?color=red")
        assert refused.status_code == 400, operation.id
        assert refused.json()["details"] == [
            {"location": "query/color", "message": "is not a parameter here"}
        ]
