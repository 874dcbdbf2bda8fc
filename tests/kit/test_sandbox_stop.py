"""How a sandbox stops: at once, with the tests that it was started for, and without a trace."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from support.sandboxes import sandbox, started


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_and_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    with sandbox("--directory", str(tmp_path)) as world:
        assert [each.name[:24] for each in tmp_path.iterdir()] == ["hookstream-keys-sandbox-"]
        world.tenant("gw0")
        world.fail("whoami", delay_ms=60_000)
        with ThreadPoolExecutor(1) as pool:
            url = world.facts["base_url"] + "/auth/whoami"
            waiting = pool.submit(httpx.get, url, timeout=60)
            while not world.requests():
                time.sleep(0.001)
            world.process.send_signal(number)
            # Not after the 30 seconds that a server gives its clients, nor after the delay.
            assert world.process.wait(timeout=20) == 0
            with pytest.raises(httpx.TransportError):
                waiting.result()
    assert list(tmp_path.iterdir()) == []


def test_the_directory_of_a_killed_sandbox_is_deleted_by_the_next_and_that_of_a_running_one_is_not(
    tmp_path: Path,
) -> None:
    with sandbox("--directory", str(tmp_path)) as killed, sandbox("--directory", str(tmp_path)):
        killed.process.kill()
        killed.process.wait()
        assert len(list(tmp_path.iterdir())) == 2
        with sandbox("--directory", str(tmp_path)) as third:
            assert len(list(tmp_path.iterdir())) == 2
            assert third.call("GET", "/auth/whoami").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_stops_with_the_process_that_it_was_started_for(number: int, tmp_path: Path) -> None:
    tests = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    options = ("--directory", str(tmp_path), "--stop-with", str(tests.pid))
    with started(*options) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert list(tmp_path.iterdir()) != []
        # It is not waited for: until its parent asks, an ended process is still in the list.
        tests.send_signal(number)
        assert process.wait(timeout=20) == 0
        assert list(tmp_path.iterdir()) == []
    tests.wait()


def test_the_process_that_it_stops_with_must_exist() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with started("--stop-with", str(ended.pid)) as process:
        assert process.wait(timeout=20) == 2
