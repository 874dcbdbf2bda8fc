"""A sandbox stops with the tests that have started it, also when they are killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import without_settings

#: A sandbox stops within a second on an idle machine; seconds.
PATIENCE = 20

#: Writes to a file that the sandbox runs, and waits for its end.
TESTS = """
import pathlib, time

def test_waits(hookstream_keys):
    hookstream_keys.key()
    pathlib.Path("begun").touch()
    time.sleep(60)
"""


def wait_until_empty(folder: Path) -> None:
    """Wait until a sandbox has deleted its data, which it does when it stops."""
    deadline = time.monotonic() + PATIENCE
    while left := list(folder.iterdir()):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def workers(controller: int, count: int) -> list[int]:
    """The workers of pytest-xdist, which would stop the sandbox when the controller is gone."""
    if not count:
        return []
    children = Path(f"/proc/{controller}/task/{controller}/children").read_text().split()
    assert len(children) == count
    return [int(child) for child in children]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "with workers"])
def test_the_sandbox_of_a_killed_pytest_stops_and_leaves_nothing(
    tmp_path: Path, number: signal.Signals, options: tuple[str, ...]
) -> None:
    data, temporary = tmp_path / "data", tmp_path / "temporary"
    data.mkdir()
    temporary.mkdir()
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nhookstream_options = --directory {data}\n")
    (tmp_path / "test_it.py").write_text(TESTS)
    plugins = ("-p", "no:cacheprovider", "-p", "hookstream_keys.testing.plugin", "-p", "xdist")
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *plugins, "--basetemp", tmp_path / "base", *options],
        cwd=tmp_path,
        env=without_settings() | {"TMPDIR": str(temporary), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "begun").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        assert list(data.iterdir())
        for each in (*workers(process.pid, len(options)), process.pid):
            os.kill(each, number)
    wait_until_empty(data)
    assert not list(temporary.iterdir())
