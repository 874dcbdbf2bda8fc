"""The lock and the bill of materials; test_distributions.py proves that the lock installs."""

import configparser
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")

#: What must be there to install anything else, and so is not pinned for tests.
INSTALLER = "pip"


def pinned(text: str) -> dict[str, str]:
    """The versions that a file of requirements pins."""
    found = re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def test_the_lock_is_of_the_versions_that_the_tests_run_with() -> None:
    constraints = pinned((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    locked = pinned(LOCK)
    assert len(locked) > 30
    del locked[INSTALLER]
    assert locked == {name: constraints.get(name) for name in locked}


def test_the_lock_has_what_the_package_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = pinned(LOCK)
    for line in project["dependencies"]:
        requirement = Requirement(line)
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), line


def test_everything_locked_has_hashes() -> None:
    entries = re.split(r"^(?=\w)", re.sub(r"(?m)^(#.*)?\n", "", LOCK), flags=re.MULTILINE)[1:]
    assert len(entries) == len(pinned(LOCK))
    for entry in entries:
        first, *hashes = entry.rstrip("\n").split(" \\\n    ")
        assert hashes, first
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes), first


def test_no_lock_says_where_to_download_from() -> None:
    assert not re.search(r"https?:|^-|@|file:/", LOCK, re.MULTILINE)
    npm = json.loads((ROOT / "tests" / "interop" / "package-lock.json").read_text("utf-8"))
    packages = {name: package for name, package in npm["packages"].items() if name}
    assert len(packages) > 100
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert package["integrity"].startswith("sha512-"), name


def test_the_bill_of_materials_is_valid_and_has_everything_that_is_locked(tmp_path: Path) -> None:
    bill = tmp_path / "sbom.json"
    done = subprocess.run(
        [Path(sys.executable).with_name("cyclonedx-py"), *sbom_arguments(bill)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(bill.read_text(encoding="utf-8"))
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    assert found["metadata"]["component"]["name"] == "hookstream-keys"
    components = {each["name"]: each["version"] for each in found["components"]}
    assert components == pinned(LOCK)
    for each in found["components"]:
        assert each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}"
        (place,) = each["externalReferences"]
        assert {found["alg"] for found in place["hashes"]} == {"SHA-256"}


def sbom_arguments(bill: Path) -> list[str]:
    """The command of tox's environment `sbom`, which writes to `bill` instead."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    command = shlex.split(tox["testenv:sbom"]["commands"].replace("\\\n", " "))
    assert command[0] == "cyclonedx-py"
    assert "--validate" in command
    return [str(bill) if word == "reports/sbom.json" else word for word in command[1:]]
