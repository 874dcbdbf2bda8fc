"""Install what package-lock.json says, unless it is installed: `python npm_ci.py [FOLDER]`.

By default in the folder of this file.

Where Node.js is missing this does nothing; the tests then say what to install.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else Path(__file__).parent

#: Holds what is installed, and for which Node.js it was compiled.
INSTALLED = HERE / "node_modules" / ".installed"
#: Held by the one process that installs. Not in the folder that it installs, which npm removes.
LOCK = HERE / ".npm_ci.lock"


def main() -> int:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        print("node or npm is missing; install nodejs npm")
        return 0
    with LOCK.open("w", encoding="utf-8") as lock:
        # CI begins it beside the first environments, which need none of it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _install(node, npm)


def _install(node: str, npm: str) -> int:
    version = subprocess.run([node, "--version"], capture_output=True, check=True).stdout
    wanted = version + (HERE / "package-lock.json").read_bytes()
    if INSTALLED.exists() and INSTALLED.read_bytes() == wanted:
        return 0
    # What better-sqlite3 would download instead comes from no package registry.
    environment = {"npm_config_build_from_source": "true", **os.environ}
    done = subprocess.run([npm, "ci"], cwd=HERE, env=environment, check=False)
    if done.returncode == 0:
        INSTALLED.write_bytes(wanted)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
