"""The distributions, built from a copy of what is in the repository."""

import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: What a checkout has beside the project's own files.
NOT_THE_PROJECT = shutil.ignore_patterns(
    ".git",
    ".tox",
    ".venv*",
    "build",
    "dist",
    "node_modules",
    "*.egg-info",
    "__pycache__",
    ".*cache",
)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh copy, so that nothing which lies around is built in."""
    copy = tmp_path_factory.mktemp("checkout") / "hookstream-keys"
    shutil.copytree(ROOT, copy, ignore=NOT_THE_PROJECT, symlinks=True)
    return copy


@pytest.fixture(scope="session")
def distributions(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", folder, checkout], check=True)
    return folder


@pytest.fixture(scope="session")
def install(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Install something into an empty environment, and return that environment's programs."""

    def into_an_empty_environment(*what: str | Path) -> Path:
        place = tmp_path_factory.mktemp("environment")
        venv.create(place, with_pip=True)
        programs = place / "bin"
        constraints = ROOT / "constraints.txt"
        subprocess.run(
            [programs / "pip", "install", "--quiet", "--constraint", constraints, *what],
            check=True,
        )
        return programs

    return into_an_empty_environment
