"""The pytest plugin as the suite of a consumer uses it, in processes of their own."""

import os
import re
import resource
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.readme import ROOT, code_blocks

SAMPLE = ROOT / "examples" / "contract-tests" / "python"

#: The sample takes at most so many times what starting and ending a sandbox takes, its own start
#: of pytest and of the sandbox included. (A number of seconds would be one of this machine.)
MOST_STARTS = 2.5
STARTING = """
from hookstream_keys.testing import running_sandbox
with running_sandbox():
    pass
"""
#: A machine that does something else as well gets so many tries.
TRIES = 3


#: Loading all plugins of this environment takes longer than most of these suites.
FEW_PLUGINS = ("-p", "hookstream_keys.testing.plugin", "-p", "xdist")


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder with few plugins."""
    return run_pytest_as_installed(
        folder, *FEW_PLUGINS, *options, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"
    )


def run_pytest_as_installed(
    folder: Path, *options: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, as a person does there."""
    environment = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("PYTEST_", "HOOKSTREAM_", "BETTER_AUTH_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def suite(folder: Path, tests: str, **ini: str) -> Path:
    """A suite of one module, with these lines in its configuration file."""
    lines = [f"{name} = {text}" for name, text in ini.items()]
    (folder / "pytest.ini").write_text("\n".join(["[pytest]", *lines]) + "\n", encoding="utf-8")
    (folder / "test_it.py").write_text(tests, encoding="utf-8")
    return folder


def assert_passed(done: subprocess.CompletedProcess[str], tests: int) -> None:
    assert re.search(rf"(^|=+ ){tests} passed in ", done.stdout, re.MULTILINE), (
        done.stdout + done.stderr
    )
    assert done.returncode == 0


def is_listening(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", urlsplit(url).port or 0)) == 0


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """The sample, outside the checkout."""
    return Path(
        shutil.copytree(SAMPLE, tmp_path / "suite", ignore=shutil.ignore_patterns("__pycache__"))
    )


def test_the_sample_takes_little_more_than_starting_a_sandbox(sample: Path) -> None:
    ratios = []
    for _ in range(TRIES):
        before = _processor_seconds()
        subprocess.run([sys.executable, "-c", STARTING], cwd=sample, check=True, timeout=120)
        between = _processor_seconds()
        # Without the other plugins of this environment, whose start is not the sample's.
        done = run_pytest(sample, "-q")
        after = _processor_seconds()
        assert_passed(done, 14)
        ratios.append((after - between) / (between - before))
        if ratios[-1] <= MOST_STARTS:
            break
    assert min(ratios) <= MOST_STARTS, ratios


def _processor_seconds() -> float:
    """What the processes that have ended here have used, their own children included.

    On a machine that does something else as well, it tells more than the clock.
    """
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_sample_passes_as_its_page_says(sample: Path) -> None:
    (block,) = code_blocks((SAMPLE / "README.md").read_text(encoding="utf-8"))
    install, alone, parallel = block.splitlines()
    assert install == "pip install '../../..[pytest]' httpx pytest-xdist"
    assert (SAMPLE / "../../..").resolve() == ROOT
    assert (alone, parallel) == ("pytest", "pytest -n 2")
    # The test above runs it without options.
    assert_passed(run_pytest_as_installed(sample, *parallel.split()[1:]), 14)


def test_the_sample_needs_few_lines_and_no_sleep() -> None:
    fixtures = (SAMPLE / "conftest.py").read_text(encoding="utf-8")
    assert len([line for line in fixtures.splitlines() if line.strip()]) <= 10
    tests = (SAMPLE / "test_key_service.py").read_text(encoding="utf-8")
    assert "sleep" not in fixtures + tests


def test_every_test_begins_with_a_fresh_sandbox(tmp_path: Path) -> None:
    tests = """
import pytest

@pytest.mark.parametrize("number", [1, 2])
def test_fresh(hookstream_keys, number):
    assert hookstream_keys.now().year == 2026
    assert hookstream_keys.requests() == []
    keys = hookstream_keys.key(), hookstream_keys.key("revoked")
    assert keys[0].id != keys[1].id
    hookstream_keys.advance(days=700)
    hookstream_keys.fail_next("getHealth", 503, times=9)
"""
    assert_passed(run_pytest(suite(tmp_path, tests)), 2)


def test_parallel_workers_share_one_sandbox_and_nothing_in_it(tmp_path: Path) -> None:
    tests = f"""
import pathlib, urllib.request, pytest

@pytest.mark.parametrize("number", range(8))
def test_own(hookstream_keys, worker_id, number):
    urllib.request.urlopen(hookstream_keys.base_url + "/health").close()
    (request,) = hookstream_keys.requests()
    assert request.operation == "getHealth"
    assert f"/tenants/{{worker_id}}/" in hookstream_keys.base_url
    pathlib.Path({str(tmp_path)!r}, worker_id).write_text(hookstream_keys.base_url)
"""
    assert_passed(run_pytest(suite(tmp_path, tests), "-n", "2", "--dist", "each", "-q"), 16)
    urls = [(tmp_path / worker).read_text(encoding="utf-8") for worker in ("gw0", "gw1")]
    assert len({urlsplit(url).port for url in urls}) == 1
    assert not is_listening(urls[0])


def test_the_sandbox_survives_the_crash_of_a_worker_and_stops_at_the_end(tmp_path: Path) -> None:
    tests = f"""
import os, pathlib, pytest

@pytest.mark.parametrize("number", range(4))
def test_crash(hookstream_keys, number):
    pathlib.Path({str(tmp_path)!r}, f"url{{number}}").write_text(hookstream_keys.base_url)
    if number == 1:
        os._exit(9)
"""
    done = run_pytest(suite(tmp_path, tests), "-n", "1", "-q")
    assert "3 passed" in done.stdout, done.stdout
    assert "1 failed" in done.stdout
    urls = [(tmp_path / f"url{number}").read_text(encoding="utf-8") for number in range(4)]
    assert len({urlsplit(url).port for url in urls}) == 1
    assert not is_listening(urls[0])


def test_seed_and_clock_are_options(tmp_path: Path) -> None:
    tests = """
def test_options(hookstream_keys):
    assert hookstream_keys.now().isoformat() == "2031-05-06T07:08:09+00:00"
    print(hookstream_keys.org_id)
"""
    printed = set()
    for seed in "778":
        options = f"--clock 2031-05-06T07:08:09Z --seed {seed}"
        done = run_pytest(suite(tmp_path, tests, hookstream_options=options), "-s")
        assert_passed(done, 1)
        printed |= set(re.findall(r"org_\w+", done.stdout))
    assert len(printed) == 2


def test_variables_of_a_real_server_have_no_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = """
def test_start(hookstream_keys, monkeypatch):
    assert hookstream_keys.now()
"""
    folder = suite(tmp_path, tests)
    (folder / "conftest.py").write_text(
        "import os\nos.environ['HOOKSTREAM_DATABASE'] = 'sqlite:///live.db'\n", encoding="utf-8"
    )
    assert_passed(run_pytest(folder), 1)
    assert not (folder / "live.db").exists()


def test_a_suite_without_the_fixtures_starts_nothing(tmp_path: Path) -> None:
    started = tmp_path / "started"
    tests = """
import sys

def test_nothing():
    loaded = {name for name in sys.modules if name.startswith("hookstream_keys")}
    assert loaded <= {
        "hookstream_keys", "hookstream_keys.testing", "hookstream_keys.testing.plugin"
    }
"""
    folder = suite(tmp_path, tests, hookstream_command=f"touch {started}")
    assert_passed(run_pytest_as_installed(folder), 1)
    assert not started.exists()


USES = """
def test_uses(hookstream_keys):
    hookstream_keys.key()
"""


def test_a_command_that_is_missing_is_named(tmp_path: Path) -> None:
    done = run_pytest(suite(tmp_path, USES, hookstream_command="no-such-command sandbox"))
    assert "the sandbox's command cannot be run: no-such-command: No such file" in done.stdout
    assert "install hookstream-keys[pytest] here, or set hookstream_command" in done.stdout


def test_the_reason_for_which_a_sandbox_does_not_start_is_shown(tmp_path: Path) -> None:
    done = run_pytest(suite(tmp_path, USES, hookstream_options="--host 0.0.0.0"))
    assert "the sandbox did not start" in done.stdout
    assert "a sandbox listens on a loopback address only" in done.stdout


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_a_sandbox_that_has_died_is_reported(tmp_path: Path, workers: tuple[str, ...]) -> None:
    command = tmp_path / "command"
    command.write_text(
        "#!/bin/sh\n"
        f"echo $$ > '{tmp_path}/number'\n"
        "echo the last words >&2\n"
        f"exec '{sys.executable}' -m hookstream_keys sandbox \"$@\"\n",
        encoding="utf-8",
    )
    command.chmod(0o700)
    tests = f"""
import os, pathlib, signal, time

def test_kill(hookstream_keys):
    number = int(pathlib.Path({str(tmp_path / "number")!r}).read_text())
    os.kill(number, signal.SIGKILL)
    time.sleep(0.2)
    hookstream_keys.key()
"""
    done = run_pytest(suite(tmp_path, tests, hookstream_command=str(command)), *workers)
    assert re.search(r"the sandbox at http://\S+/_sandbox does not answer; its log:", done.stdout)
    assert "the last words" in done.stdout
    assert "1 failed" in done.stdout
    assert "error" not in done.stdout.splitlines()[-1]


def test_nothing_but_the_standard_library_is_imported() -> None:
    script = (
        "import sys, hookstream_keys.testing as t;"
        "[getattr(t, name) for name in t.__all__];"
        "import hookstream_keys.testing.sharing;"
        "tops = {name.partition('.')[0] for name in sys.modules};"
        "rooms = {name for name in sys.modules if name.startswith('hookstream_keys.')};"
        "print(sorted(tops - sys.stdlib_module_names - {'hookstream_keys'}));"
        "print(sorted(name for name in rooms if '.testing' not in name))"
    )
    # Isolated, and without the site's own start files: what they import is not the plugin's.
    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["['__main__']", "[]"], done.stdout + done.stderr
