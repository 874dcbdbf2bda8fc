"""Programs that come from the system, and what to install where they are missing."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

PACKAGES = {
    "wrk": "wrk", "node": "nodejs", "npm": "npm", "cc": "build-essential",
    "valgrind": "valgrind", "callgrind_control": "valgrind",
}  # fmt: skip


class Unusable(Exception):
    """The benchmark cannot go on; the text says why, and what to do where something can be done."""


def require(program: str) -> Path:
    """The path of a program. Raises Unusable, with the Debian package that has it."""
    found = shutil.which(program)
    if found is None:
        raise Unusable(f"{program} is missing; install it: apt-get install {PACKAGES[program]}")
    return Path(found)


def run(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What a program prints. Raises Unusable, with its last words, when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=env)
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip()[-2000:]
        raise Unusable(f"{Path(command[0]).name} failed with {done.returncode}:\n{last}")
    return done.stdout
