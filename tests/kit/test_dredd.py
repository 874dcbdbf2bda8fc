"""Dredd finds every successful response of the document in the sandbox."""

import os
import re
import subprocess
from pathlib import Path

from support.sandboxes import Sandbox

from hookstream_keys.contract import spec

HOOKS = Path(__file__).parent / "dredd_hooks.cjs"


def successful() -> int:
    """How many responses the document has: one for each operation, 2xx status and media type."""
    components = spec.document()["components"]["responses"]
    responses = [
        components.get(response.get("$ref", "").rpartition("/")[2], response)
        for item in spec.document()["paths"].values()
        for method in spec.METHODS
        for status, response in item.get(method, {}).get("responses", {}).items()
        if status.startswith("2")
    ]
    return sum(len(response.get("content", {})) or 1 for response in responses)


def test_dredd_passes_every_2xx(
    running_sandbox: Sandbox, node_modules: Path, tmp_path: Path
) -> None:
    document = tmp_path / "openapi.json"
    document.write_bytes(running_sandbox.call("GET", "/openapi.json").content)
    done = subprocess.run(
        [
            node_modules / ".bin" / "dredd",
            document,
            running_sandbox.facts["base_url"],
            f"--hookfiles={HOOKS}",
            "--loglevel=warning",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path,
        env={**os.environ, "HOOKSTREAM_CONTROL_URL": running_sandbox.facts["control_url"]},
    )
    found = re.search(r"(\d+) passing, (\d+) failing, (\d+) errors", done.stdout)
    assert found, done.stdout + done.stderr
    assert found.groups() == (str(successful()), "0", "0"), done.stdout
    assert done.returncode == 0
