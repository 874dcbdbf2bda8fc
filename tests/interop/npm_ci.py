"""Install what package-lock.json says, unless it is installed: `python npm_ci.py`.

Where Node.js is missing this does nothing; the tests then say what to install.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

#: Holds what is installed, and for which Node.js it was compiled.
INSTALLED = HERE / "node_modules" / ".installed"


def main() -> int:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        print("node or npm is missing; install nodejs npm")
        return 0
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
