"""The locks and the bill of materials.

test_distributions.py proves that the first two locks install, deploy/test_image.py the third.
"""

import configparser
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
#: What each lock pins: what a database in a file needs, PostgreSQL as well, building the wheel.
LOCKS = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in ("requirements.lock", "requirements-postgresql.lock", "requirements-build.lock")
}
LOCK = LOCKS["requirements.lock"]

#: What must be there to install anything else, and so is not pinned for tests.
INSTALLER = "pip"


def pinned(text: str) -> dict[str, str]:
    """The versions that a file of requirements pins."""
    found = re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_is_of_the_versions_that_the_tests_run_with(name: str) -> None:
    constraints = pinned((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    locked = pinned(LOCKS[name])
    locked.pop(INSTALLER, None)
    assert locked == {name: constraints.get(name) for name in locked}


def test_each_lock_has_what_is_needed() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project, build = pyproject["project"], pyproject["build-system"]
    extra = project["optional-dependencies"]["postgresql"]
    needed = {
        "requirements.lock": project["dependencies"],
        "requirements-postgresql.lock": [*project["dependencies"], *extra],
        "requirements-build.lock": build["requires"],
    }
    assert needed.keys() == LOCKS.keys()
    for name, lines in needed.items():
        locked = pinned(LOCKS[name])
        for line in lines:
            requirement = Requirement(line)
            assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), line


def test_the_lock_for_postgresql_adds_the_driver_to_the_other_one() -> None:
    locked = pinned(LOCK)
    assert len(locked) > 30
    more = pinned(LOCKS["requirements-postgresql.lock"])
    assert set(more) - set(locked) == {"asyncpg"}
    assert set(LOCK.splitlines()) <= set(LOCKS["requirements-postgresql.lock"].splitlines())


@pytest.mark.parametrize("name", LOCKS)
def test_everything_locked_has_hashes(name: str) -> None:
    lock = LOCKS[name]
    entries = re.split(r"^(?=\w)", re.sub(r"(?m)^(#.*)?\n", "", lock), flags=re.MULTILINE)[1:]
    assert len(entries) == len(pinned(lock)) > 0
    for entry in entries:
        first, *hashes = entry.rstrip("\n").split(" \\\n    ")
        assert hashes, first
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes), first


def test_no_lock_says_where_to_download_from() -> None:
    for lock in LOCKS.values():
        assert not re.search(r"https?:|^-|@|file:/", lock, re.MULTILINE)
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
