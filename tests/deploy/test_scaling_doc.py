"""docs/scaling.md: its way from nothing to two nodes, exactly as written, in one shell."""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy.topology import DEPLOY, ROOT
from support import COMMAND, unmeasured
from support.postgresql import private_folder, programs
from support.programs import missing, require
from support.readme import code_blocks

PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
_, HEADING, REST = PAGE.partition("## From nothing to two nodes behind nginx\n")
SECTION = REST.partition("\n## ")[0]
#: Packages are installed by packaging/test_distributions.py.
INSTALL, *COMMANDS = code_blocks(SECTION)
[REPLICA] = code_blocks(PAGE.partition("## Read replicas\n")[2].partition("\n## ")[0])


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where temporary folders are made. PostgreSQL's servers that are left there are stopped."""
    with private_folder() as made:
        yield made
        for file in made.glob("*/*/postmaster.pid"):
            os.kill(int(file.read_text("ascii").split()[0]), signal.SIGQUIT)


@pytest.mark.parametrize("has_replica", [False, True], ids=["primary", "replica"])
def test_the_commands_lead_to_two_nodes_that_know_the_same(
    folder: Path, tmp_path: Path, *, has_replica: bool
) -> None:
    servers, *others = COMMANDS
    commands = [servers, *([REPLICA] if has_replica else []), *others]
    for program, package in (("curl", "curl"), ("jq", "jq"), ("nginx", "nginx")):
        require(program, package)
        assert f" {package} " in INSTALL
    if programs() is None:
        missing("PostgreSQL is missing; install postgresql")
    for port in re.findall(r"127\.0\.0\.1:(\d+)/", SECTION):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(port))) != 0, f"port {port} is taken"
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "hookstream-keys").symlink_to(COMMAND)
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    variables = {
        name: value
        for name, value in unmeasured().items()
        if not name.startswith(("PG", "HOOKSTREAM_", "BETTER_AUTH_"))
    }
    process = subprocess.Popen(
        ["bash", "-euc", "\n".join(commands)],
        cwd=tmp_path,
        env={**variables, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=180)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, output + errors
    codes = re.findall(r'^"([A-Z]+)"$', output, re.MULTILINE)
    assert codes == ["VALID", "VALID", "REVOKED", "REVOKED", "VALID", "VALID"], output + errors
    assert list(folder.iterdir()) == []
