"""The processes of `support.forking` are like new ones."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from support import COMMAND, Database, environment, forking, serving, until


@pytest.mark.parametrize(
    ("words", "stdin"),
    [
        (["--version"], ""),
        (["keys"], ""),
        (["keys", "--help"], ""),
        (["keys", "list", "--state", "dead"], ""),
        (["keys", "list", "--org", "no id"], ""),
        (["keys", "verify", "--json"], "hs_live_" + 64 * "0"),
        (["keys", "create", "--name", "ø\udcff"], ""),
        (["users", "create", "--email", "ø@example.com", "--password-stdin"], "ø\n"),
    ],
)
def test_a_fork_answers_as_a_new_process(database: Database, words: list[str], stdin: str) -> None:
    database.init()
    command, folder = [COMMAND, *words], database.path.parent
    variables = environment(database.path)
    forked = forking.run(command, stdin=stdin, folder=folder, environment=variables, timeout=60)
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        cwd=folder,
        env=variables,
        timeout=60,
        check=False,
    )
    assert vars(forked) == vars(done)
    assert done.stdout or done.stderr


def test_a_fork_has_the_state_of_a_new_process(database: Database) -> None:
    """Of the kernel's state of a process, that which a test or a server can depend on."""
    with serving(database) as forked, serving(database, command=("env", COMMAND)) as new:
        assert isinstance(forked.process, forking.ForkedProcess)
        assert isinstance(new.process, subprocess.Popen)
        # Once both have closed the connection of the last request.
        until(lambda: _state(forked.process.pid) == _state(new.process.pid))
        assert os.getpgid(forked.process.pid) == forked.process.pid


def _state(process: int) -> dict[str, object]:
    folder = Path("/proc", str(process))
    status = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines())
    kept = ("SigBlk", "SigIgn", "SigCgt", "Umask", "Threads")
    return {
        "working directory": (folder / "cwd").readlink(),
        "limits": (folder / "limits").read_text(),
        "descriptors": sorted(each.name for each in (folder / "fd").iterdir()),
        **{name: status[name] for name in kept},
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_a_fork_is_reported(database: Database, number: signal.Signals) -> None:
    with serving(database) as server:
        assert server.process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(timeout=0.01)
        server.process.send_signal(number)
        expected = 0 if number == signal.SIGTERM else -signal.SIGKILL
        assert server.process.wait(timeout=60) == expected
        assert server.process.poll() == expected
        # Nothing is sent to another process that has got its number.
        server.process.kill()


def test_a_command_that_takes_too_long_is_killed(database: Database) -> None:
    variables = environment(database.path)
    words = [COMMAND, "serve", "--init", "--port", "0"]
    folder = database.path.parent
    with pytest.raises(subprocess.TimeoutExpired):
        forking.run(words, stdin="", folder=folder, environment=variables, timeout=1)


def test_other_variables_need_a_new_interpreter() -> None:
    assert forking.can_fork({"HOOKSTREAM_PORT": "0", "BETTER_AUTH_SECRET": ""})
    assert not forking.can_fork({"PYTHONUTF8": "0"})
