"""Portman's tests, made of the served document, pass against the sandbox without a failure."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.sandboxes import Sandbox

from hookstream_keys.contract import spec

CONFIG = Path(__file__).parent / "portman.json"


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
    )


@pytest.fixture(scope="module")
def collection(
    running_sandbox: Sandbox, node_modules: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Portman's collection for Postman, with its tests."""
    folder = tmp_path_factory.mktemp("portman")
    document = folder / "openapi.json"
    document.write_bytes(running_sandbox.call("GET", "/openapi.json").content)
    made = folder / "collection.json"
    done = run(
        [
            str(node_modules / ".bin" / "portman"),
            f"--local={document}",
            f"--baseUrl={running_sandbox.facts['base_url']}",
            f"--portmanConfigFile={CONFIG}",
            f"--output={made}",
        ],
        folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def test_no_assertion_of_portman_fails(
    running_sandbox: Sandbox, node_modules: Path, collection: Path
) -> None:
    facts = running_sandbox.facts
    variables = {
        "baseUrl": facts["base_url"],
        "controlUrl": facts["control_url"],
        "sessionToken": facts["session_token"],
        "key": facts["key"],
    }
    report = collection.with_name("report.json")
    done = run(
        [
            str(node_modules / ".bin" / "newman"),
            "run",
            str(collection),
            *(f"--env-var={name}={value}" for name, value in variables.items()),
            "--ignore-redirects",
            "--reporters=json",
            f"--reporter-json-export={report}",
        ],
        collection.parent,
    )
    found = json.loads(report.read_text(encoding="utf-8"))["run"]
    failures = [(each["source"]["name"], each["error"]["message"]) for each in found["failures"]]
    assert failures == []
    assert done.returncode == 0
    stats = found["stats"]
    assert stats["items"]["total"] == len(list(spec.operations(spec.document())))
    # Status, headers, and for JSON the schema.
    assert stats["assertions"]["total"] > 4 * stats["items"]["total"]
