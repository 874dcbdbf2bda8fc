"""The examples of tests in other languages, run as their pages say, each with its own sandbox."""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from support import COMMAND, without_settings
from support.programs import missing, require
from support.readme import code_blocks
from support.sandboxes import Sandbox

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
GUIDE = (ROOT / "docs" / "contract-testing.md").read_text(encoding="utf-8")
NODE, GO = EXAMPLES / "contract-tests" / "node", EXAMPLES / "contract-tests" / "go"

#: A command that does not exist.
NOWHERE = "/nowhere/hookstream-keys"


def environment(**more: str) -> dict[str, str]:
    """This process's, with the command on the path as a user has it."""
    path = f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}"
    return without_settings() | {"PATH": path} | more


def page_commands(folder: Path) -> list[str]:
    """The commands of an example's page."""
    (block,) = code_blocks((folder / "README.md").read_text(encoding="utf-8"))
    return block.splitlines()


def guide_commands(heading: str, folder: Path) -> list[str]:
    """The commands of a section of the guide, which begin in the checkout."""
    (block,) = code_blocks(GUIDE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0])
    first, *commands = block.splitlines()
    assert first == f"cd {folder.relative_to(ROOT)}"
    return commands


def run(command: list[str], folder: Path, variables: dict[str, str], *, fails: bool = False) -> str:
    """What a command prints. Raises AssertionError unless it succeeds, or fails as it should."""
    ended = subprocess.run(
        command,
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert (ended.returncode != 0) == fails, ended.stdout
    return ended.stdout


def command_with_data_in(folder: Path, data: Path) -> Path:
    """A command that starts the sandbox with its data in a folder."""
    command = folder / "hookstream-keys"
    command.write_text(f'#!/bin/sh\nexec "{COMMAND}" "$@" --directory "{data}"\n')
    command.chmod(0o700)
    return command


def assert_emptied(data: Path) -> None:
    """Wait until the sandbox has deleted its data, which it does when it stops."""
    deadline = time.monotonic() + 20
    while left := list(data.iterdir()):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_the_tests_for_node_run_as_their_page_says(
    running_sandbox: Sandbox, tmp_path: Path
) -> None:
    npm = require("npm", "nodejs npm")
    if not (NODE / "node_modules" / ".installed").exists():
        missing(f"its packages are missing; run: python tests/interop/npm_ci.py {NODE}")
    folder = tmp_path / "node"
    shutil.copytree(NODE, folder, ignore=shutil.ignore_patterns("node_modules", "dist", "*.d.ts"))
    (folder / "node_modules").symlink_to(NODE / "node_modules")
    # What npm_ci.py has run comes first.
    assert page_commands(NODE) == ["npm ci", "npm run types", "npm run build", "npm test"]
    commands = [
        line.replace('HOOKSTREAM_URL="$BASE" ', "") for line in guide_commands("Node.js", NODE)
    ]
    assert commands == page_commands(NODE)
    variables = environment(HOOKSTREAM_URL=running_sandbox.facts["base_url"])
    for command in (["run", "types"], ["run", "build"]):
        run([npm, *command], folder, variables)
    told = run([npm, "test"], folder, environment())
    assert re.search(r"^\S+ pass 5$", told, re.MULTILINE), told
    assert re.search(r"^\S+ fail 0$", told, re.MULTILINE), told
    told = run([npm, "test"], folder, environment(HOOKSTREAM_KEYS=NOWHERE), fails=True)
    assert NOWHERE in told
    # Tests that are killed leave no sandbox behind.
    data = tmp_path / "data"
    data.mkdir()
    killed = (
        "const { startSandbox } = await import('./dist/sandbox.js'); await startSandbox();"
        f"console.log(require('fs').readdirSync('{data}')); process.kill(process.pid, 'SIGKILL')"
    )
    variables = environment(HOOKSTREAM_KEYS=str(command_with_data_in(tmp_path, data)))
    program = f"(async () => {{ {killed} }})()"
    told = run([require("node", "nodejs npm"), "-e", program], folder, variables, fails=True)
    assert "hookstream-keys-sandbox-" in told
    assert_emptied(data)


def test_the_tests_for_go_run_as_their_page_says(tmp_path: Path) -> None:
    go = require("go", "golang-go")
    variables = environment(
        # So that Go keeps nothing in the user's home.
        GOCACHE=str(tmp_path / "cache"),
        GOPATH=str(tmp_path / "path"),
        GOFLAGS="-buildvcs=false",
    )
    assert page_commands(GO) == guide_commands("Go", GO) == ["go test ./..."]
    run([go, "vet", "./..."], GO, variables)
    told = run([go, "test", "-v", "-count=1", "./..."], GO, variables)
    passed = re.findall(r"--- PASS: (\S+)", told)
    assert len(passed) == 6, told
    assert "--- SKIP" not in told
    variables["HOOKSTREAM_KEYS"] = NOWHERE
    told = run([go, "test", "./..."], GO, variables, fails=True)
    assert f"{NOWHERE} sandbox did not start" in told
    # The timeout of go test ends the process without what it has deferred.
    data = tmp_path / "data"
    data.mkdir()
    variables["HOOKSTREAM_KEYS"] = str(command_with_data_in(tmp_path, data))
    told = run([go, "test", "-timeout=1ms", "./..."], GO, variables, fails=True)
    assert "panic: test timed out" in told
    assert_emptied(data)


def test_the_lock_names_no_registry_and_has_hashes() -> None:
    lock = json.loads((NODE / "package-lock.json").read_text("utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert len(packages) > 10
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert package["integrity"].startswith("sha512-"), name
