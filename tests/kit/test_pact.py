"""The sample pacts: written by both consumers' tests, and verified with a sandbox, no handler."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.programs import missing, require
from support.readme import ROOT, code_blocks

SAMPLES = ROOT / "examples" / "contract-tests" / "pact"

#: The samples themselves tell Pact not to report its use over the network.
ENVIRONMENT = {name: text for name, text in os.environ.items() if name != "PACT_DO_NOT_TRACK"} | {
    # `python` and `pytest` are those of this environment.
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
}
#: What Pact says when it reports.
TRACKING = "tracking events"

INSTALL_PYTHON, INSTALL_NODE, TEST_PYTHON, TEST_NODE, VERIFY = code_blocks(
    (SAMPLES / "README.md").read_text(encoding="utf-8")
)[0].splitlines()


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert TRACKING not in done.stdout + done.stderr
    return done


def shell(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the samples' page."""
    return run(folder, "bash", "-c", command)


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
    done = shell(samples, TEST_PYTHON)
    assert done.returncode == 0, done.stdout
    return samples / "python" / "pacts" / "gateway-hookstream-keys.json"


@pytest.fixture(scope="module")
def node_pact(samples: Path, node_modules: Path) -> Path:
    """The pact of the consumer in JavaScript."""
    require("npm", "nodejs npm")
    folder = samples / "node"
    (folder / "node_modules").symlink_to(node_modules)
    done = shell(samples, TEST_NODE)
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


def test_what_the_page_installs_is_what_is_tested_here() -> None:
    assert INSTALL_PYTHON == "pip install '../../..[pytest]' pact-python"
    assert (SAMPLES / "../../..").resolve() == ROOT
    assert INSTALL_NODE == "npm install --prefix node"
    wanted = json.loads((SAMPLES / "node" / "package.json").read_text("utf-8"))["devDependencies"]
    kit = json.loads((ROOT / "tests" / "kit" / "package.json").read_text("utf-8"))["dependencies"]
    assert wanted == {name: kit[name] for name in wanted}


def test_a_state_with_a_wrong_name_is_shown_as_400_only(
    samples: Path, python_pact: Path, tmp_path: Path
) -> None:
    pact = json.loads(python_pact.read_text(encoding="utf-8"))
    (broken,) = [each for each in pact["interactions"] if "an active key" in each["description"]]
    broken["providerStates"][0]["name"] = "a key of gold"
    pact["interactions"] = [broken]
    (tmp_path / "broken.json").write_text(json.dumps(pact), encoding="utf-8")
    done = verify(samples, tmp_path)
    assert done.returncode != 0
    assert re.search("400", done.stdout + done.stderr)
    assert "there is" not in done.stdout + done.stderr


def test_both_pacts_are_verified_with_no_handler_code(
    samples: Path, python_pact: Path, node_pact: Path
) -> None:
    done = shell(samples, VERIFY)
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
