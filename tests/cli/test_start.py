"""`hookstream-keys` itself: how it starts, and what it says of mistakes."""

import json
import subprocess
import sys

import pytest
from support import Database, run

#: What only `serve` needs.
SERVERS = ("connexion", "flask", "httptools", "starlette.applications", "uvicorn", "uvloop")


def test_it_starts_without_the_web_servers_libraries() -> None:
    code = "import hookstream_keys.cli, json, sys; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert not {*json.loads(done.stdout)} & {*SERVERS}


def test_the_package_is_the_same_command(database: Database) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hookstream_keys", "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    named = run("--help", database=database.path).stdout
    assert done.stdout.partition("\n")[2] == named.partition("\n")[2]


@pytest.mark.parametrize("group", [(), ("keys",), ("audit",)])
def test_an_unknown_command_is_an_error(database: Database, group: tuple[str, ...]) -> None:
    answer = run(*group, "nonsense", database=database.path)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "no such command 'nonsense'" in answer.stderr
    assert not database.path.exists()
