"""The distributions, built from a copy of what is in the repository."""

import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def distributions(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", folder, checkout], check=True)
    return folder


@pytest.fixture(scope="session")
def install(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Install something into an empty environment, and return that environment's programs."""

    def into_an_empty_environment(*what: str | Path, lock: str = "requirements.lock") -> Path:
        place = tmp_path_factory.mktemp("environment")
        venv.create(place, with_pip=True)
        programs = place / "bin"
        pip: list[str | Path] = [programs / "pip", "install", "--quiet"]
        # Everything that is needed is in the lock, byte for byte as it was when it was locked.
        by_hash = ["--require-hashes", "--only-binary", ":all:", "--requirement", str(ROOT / lock)]
        subprocess.run([*pip, *by_hash], check=True)
        subprocess.run([*pip, "--no-deps", *what], check=True)
        subprocess.run([programs / "pip", "check"], check=True)
        return programs

    return into_an_empty_environment
