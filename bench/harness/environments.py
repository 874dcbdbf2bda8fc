"""Each peer's own packages, at the versions written down beside it, kept from run to run."""

import os
import shutil
import sys
from pathlib import Path

from harness.places import PEERS, WORK
from harness.programs import require, run


def python_environment(peer: str) -> Path:
    """The folder of programs of the peer's virtual environment, made when it is not as it must be.

    Raises Unusable when a package cannot be installed.
    """
    requirements = PEERS / peer / "requirements.txt"
    environment = WORK / "environments" / peer
    made_of = environment / "made-of"
    # An environment that was moved does not find itself.
    wanted = f"{environment}\n{sys.version}\n{requirements.read_text('utf-8')}"
    if not made_of.exists() or made_of.read_text("utf-8") != wanted:
        shutil.rmtree(environment, ignore_errors=True)
        run(sys.executable, "-m", "venv", environment)
        # The project's own versions are not the peer's.
        without = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
        pip = environment / "bin" / "pip"
        run(pip, "install", "--no-deps", "--requirement", requirements, env=without)
        made_of.write_text(wanted, "utf-8")
    return environment / "bin"


def pinned(peer: str) -> dict[str, str]:
    """The peer's packages and their versions."""
    lines = (PEERS / peer / "requirements.txt").read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def node_modules(peer: str) -> Path:
    """The folder of the peer, in which what its package-lock.json says is installed.

    Raises Unusable when it cannot be, or Node.js is missing.
    """
    require("node")
    require("npm")
    folder = PEERS / peer
    # The one that the interoperability tests install with, behind a link: it installs into the
    # folder that it is in.
    run(sys.executable, folder / "npm_ci.py")
    return folder
