"""Schemathesis as a consumer runs it: no configuration of this project, and no failure."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support import unmeasured
from support.sandboxes import sandbox

Facts = dict[str, Any]

#: The same requests in every run, so that a failure in CI is one anywhere.
OPTIONS = ("--seed", "1", "--max-examples", "10", "--no-color")

#: Every check but one: deleting a key revokes it, and it stays visible as revoked, as the document
#: says, which `use_after_free` takes for a deletion that failed. No document can tell it otherwise.
CHECKS = ("--checks", "all", "--exclude-checks", "use_after_free")


@pytest.fixture
def facts() -> Iterator[Facts]:
    """Of a sandbox of the test's own: the run changes it."""
    with sandbox() as started:
        yield started.facts


def run(folder: Path, *arguments: str) -> str:
    """The output of Schemathesis. Raises AssertionError when it has found something."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("st")), *arguments, *CHECKS, *OPTIONS],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=unmeasured(),
        # Where there is no schemathesis.toml.
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert found, done.stdout
    assert int(found[1]) == int(found[2]) > 1000
    return done.stdout


def status_of_whoami(facts: Facts, headers: dict[str, str]) -> int:
    answer = httpx.get(f"{facts['base_url']}/auth/whoami", headers=headers, trust_env=False)
    return answer.status_code


def test_a_run_with_a_key_finds_nothing_and_leaves_the_key_valid(
    facts: Facts, tmp_path: Path
) -> None:
    key = {"X-API-Key": facts["key"]}
    run(tmp_path, "run", f"{facts['base_url']}/openapi.json", "-H", f"X-API-Key: {facts['key']}")
    assert status_of_whoami(facts, key) == httpx.codes.OK


def test_a_run_with_a_session_finds_nothing_and_leaves_the_session_live(
    facts: Facts, tmp_path: Path
) -> None:
    # Named by its scheme, not by `-H`: Schemathesis adds headers of the other schemes to some
    # requests, and takes these for the only credentials.
    config = tmp_path / "session.toml"
    config.write_text(f'[auth.openapi.bearerToken]\nbearer = "{facts["session_token"]}"\n')
    run(tmp_path, f"--config-file={config}", "run", f"{facts['base_url']}/openapi.json")
    bearer = {"Authorization": f"Bearer {facts['session_token']}"}
    assert status_of_whoami(facts, bearer) == httpx.codes.OK


def test_a_run_fails_where_the_server_does_not_keep_to_its_document(
    facts: Facts, tmp_path: Path
) -> None:
    fault = {"operation": "whoami", "status": 500, "times": 1000}
    httpx.post(f"{facts['control_url']}/faults", json=fault, trust_env=False).raise_for_status()
    with pytest.raises(AssertionError, match="GET /auth/whoami"):
        run(
            tmp_path,
            "run",
            f"{facts['base_url']}/openapi.json",
            "-H",
            f"X-API-Key: {facts['key']}",
            "--include-operation-id=whoami",
        )
