"""OpenAPI linters find no problem in the document."""

import json
import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DOCUMENT = HERE.parent.parent / "openapi.yaml"

QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


def lint(node: str, program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [node, str(program), "lint", *arguments, "--format=json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=HERE,
        env={**os.environ, **QUIET},
    )


def redocly(node: str, node_modules: Path, document: Path) -> subprocess.CompletedProcess[str]:
    program = node_modules / ".bin" / "redocly"
    return lint(node, program, "--config=.redocly.yaml", str(document))


def spectral(node: str, node_modules: Path, document: Path) -> subprocess.CompletedProcess[str]:
    program = node_modules / ".bin" / "spectral"
    options = ["--ruleset=.spectral.yaml", "--fail-severity=hint", "--quiet"]
    return lint(node, program, *options, str(document))


def test_redocly_finds_nothing(node: str, node_modules: Path) -> None:
    done = redocly(node, node_modules, DOCUMENT)
    found = json.loads(done.stdout)
    assert found["problems"] == []
    # What is ignored is ignored in these three places, not everywhere.
    assert found["totals"] == {"errors": 0, "warnings": 0, "ignored": 3}
    assert done.returncode == 0


def test_spectral_finds_nothing(node: str, node_modules: Path) -> None:
    done = spectral(node, node_modules, DOCUMENT)
    assert json.loads(done.stdout) == []
    assert done.returncode == 0, done.stderr


@pytest.fixture
def flawed(tmp_path: Path) -> Path:
    """The document with a trailing slash that the configuration does not allow."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert "\n  /health/ready:\n" in text
    document = tmp_path / "openapi.yaml"
    document.write_text(text.replace("\n  /health/ready:\n", "\n  /health/ready/:\n"), "utf-8")
    return document


def test_redocly_would_find_a_flaw(node: str, node_modules: Path, flawed: Path) -> None:
    done = redocly(node, node_modules, flawed)
    found = [problem["ruleId"] for problem in json.loads(done.stdout)["problems"]]
    assert found.count("no-path-trailing-slash") == 2
    assert done.returncode != 0


def test_spectral_would_find_a_flaw(node: str, node_modules: Path, flawed: Path) -> None:
    done = spectral(node, node_modules, flawed)
    found = [(problem["code"], problem["path"][1]) for problem in json.loads(done.stdout)]
    assert ("path-keys-no-trailing-slash", "/health/ready/") in found
    assert done.returncode != 0
