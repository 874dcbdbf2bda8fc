"""Every file of deploy/ passes the linter of its kind."""

import subprocess
import sys
from pathlib import Path

import pytest
from deploy.topology import DEPLOY, ROOT, nginx_command, nginx_configuration
from support.programs import missing, require

MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
SCRIPTS = sorted(DEPLOY.rglob("*.sh"))
#: Of Kubernetes: the oldest and the newest version that the manifests are for.
KUBERNETES = ("1.29.1", "1.37.0")


def lint(program: str, *arguments: str | Path) -> None:
    """Run a linter that is installed beside Python. Raises AssertionError with its findings."""
    found = Path(sys.executable).with_name(program)
    if not found.exists():
        missing(f"{program} is missing; pip install what tox.ini's environment postgres has")
    assert_passes(found, *arguments)


def assert_passes(*command: str | Path) -> None:
    """Run a command. Raises AssertionError with what it prints, if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile() -> None:
    lint("hadolint", "--failure-threshold", "style", DEPLOY / "Dockerfile")


def test_the_compose_file() -> None:
    lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


@pytest.mark.parametrize("version", KUBERNETES)
def test_the_manifests(version: str) -> None:
    assert len(MANIFESTS) > 4
    lint("kubernetes-validate", "--strict", "--no-warn", "-k", version, *MANIFESTS)


def test_the_scripts() -> None:
    assert len(SCRIPTS) == 3
    lint("shellcheck", *SCRIPTS)


def test_the_configuration_of_nginx(tmp_path: Path) -> None:
    text = nginx_configuration(8080, ["127.0.0.1:8081", "127.0.0.1:8082"])
    assert_passes(*nginx_command(tmp_path, text), "-t")


def test_the_configuration_of_haproxy() -> None:
    assert_passes(require("haproxy", "haproxy"), "-c", "-f", DEPLOY / "haproxy.cfg")
