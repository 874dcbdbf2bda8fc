"""The sample pacts: written by both consumers' tests, and verified with a sandbox, no handler."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.programs import missing
from support.readme import ROOT

SAMPLES = ROOT / "examples" / "contract-tests" / "pact"

#: Pact reports its use over the network unless it is told not to.
ENVIRONMENT = {**os.environ, "PACT_DO_NOT_TRACK": "true"}


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The samples outside the checkout. Skips where Pact has no library for the platform."""
    done = run(ROOT, sys.executable, "-c", "import pact")
    if done.returncode != 0:
        missing(f"pact-python is missing; install it: {done.stderr.splitlines()[-1]}")
    folder = tmp_path_factory.mktemp("pact") / "samples"
    ignored = shutil.ignore_patterns("pacts", "__pycache__", "node_modules")
    shutil.copytree(SAMPLES, folder, ignore=ignored)
    return folder


@pytest.fixture(scope="module")
def python_pact(samples: Path) -> Path:
    """The pact of the consumer in Python."""
    folder = samples / "python"
    done = run(
        folder, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=."
    )
    assert done.returncode == 0, done.stdout
    return folder / "pacts" / "gateway-hookstream-keys.json"


@pytest.fixture(scope="module")
def node_pact(samples: Path, node: str, node_modules: Path) -> Path:
    """The pact of the consumer in JavaScript."""
    folder = samples / "node"
    (folder / "node_modules").symlink_to(node_modules)
    done = run(folder, node, "--test")
    assert done.returncode == 0, done.stdout
    return folder / "pacts" / "console-hookstream-keys.json"


def interactions(pact: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(pact.read_text(encoding="utf-8"))["interactions"]
    return found


def verify(samples: Path, *folders: Path) -> subprocess.CompletedProcess[str]:
    return run(samples / "python", sys.executable, "verify_pacts.py", *folders)


def test_the_pacts_have_the_errors_that_clients_forget(python_pact: Path, node_pact: Path) -> None:
    for pact in (python_pact, node_pact):
        statuses = {each["response"]["status"] for each in interactions(pact)}
        assert {429, 503} <= statuses
    assert len(interactions(python_pact)) + len(interactions(node_pact)) >= 12


def test_both_pacts_are_verified_with_no_handler_code(
    samples: Path, python_pact: Path, node_pact: Path
) -> None:
    done = verify(samples, python_pact.parent, node_pact.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    for pact in (python_pact, node_pact):
        for each in interactions(pact):
            assert each["description"] in done.stdout


def test_a_pact_that_the_service_breaks_fails(
    samples: Path, python_pact: Path, tmp_path: Path
) -> None:
    pact = json.loads(python_pact.read_text(encoding="utf-8"))
    (broken,) = [each for each in pact["interactions"] if "an active key" in each["description"]]
    broken["response"]["body"]["content"]["code"] = "GOLDEN"
    pact["interactions"] = [broken]
    (tmp_path / "broken.json").write_text(json.dumps(pact), encoding="utf-8")
    done = verify(samples, tmp_path)
    assert done.returncode != 0
    assert "Expected 'VALID' (String) to be equal to 'GOLDEN' (String)" in done.stdout
