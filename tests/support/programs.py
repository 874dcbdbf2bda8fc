"""Programs of the system that tests need, and what to do where they are missing."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest


def require(program: str, package: str) -> str:
    """The path of a program. Without it the test is skipped, or with CI=true fails."""
    # Debian keeps versions of Go beside one another, and not always one of them on the path.
    beside = sorted(Path("/usr/lib").glob(f"{program}-*/bin/{program}"), reverse=True)
    found = shutil.which(program) or next((str(path) for path in beside), None)
    return found or missing(f"{program} is missing; install {package}")


def missing(what: str) -> NoReturn:
    """Skip, saying what to install; but fail where everything is supposed to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def node_packages(folder: Path) -> Path:
    """The packages that npm_ci.py has installed for a folder's package.json, or `missing`."""
    packages = folder / "node_modules"
    if not packages.is_dir():
        missing(f"{packages} is missing; run: python {folder / 'npm_ci.py'}")
    return packages


def compiled(source: Path, folder: Path) -> Path:
    """A file of C as a program in the folder."""
    return _compiled(source, folder / source.stem)


def library(source: Path, folder: Path) -> Path:
    """A file of C as a library that can be preloaded."""
    return _compiled(source, folder / f"{source.stem}.so", "-shared", "-fPIC")


def _compiled(source: Path, target: Path, *options: str) -> Path:
    compiler = require("cc", "build-essential")
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", *options]
    subprocess.run([compiler, *flags, "-o", target, source, "-ldl"], check=True, timeout=120)
    return target
