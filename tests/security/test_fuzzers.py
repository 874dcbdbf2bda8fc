"""Every parser of untrusted bytes, fuzzed against a model.

Without FUZZ_EXECUTIONS all harnesses share a few thousand executions; with it each has so many.
FUZZ_SEED chooses another random sequence. The seeds are tried also where there is no fuzzer.
"""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from security.fuzzers.harnesses import ALL, CORPUS, NAMES, check_of, seeds, written

from hookstream_keys.context import origins
from hookstream_keys.contract import parameters
from hookstream_keys.domain import cookies, cursors, keys, networks, scopes

TESTS = Path(__file__).parents[1]
EXECUTIONS = os.environ.get("FUZZ_EXECUTIONS")
SEED = os.environ.get("FUZZ_SEED", "1")

#: How many executions all harnesses share by default, and each has at least.
SHORT = 20_000

#: A parser that is wrong in one way, and the harness that must see it.
WRONG: list[tuple[str, Any, str, Any]] = [
    ("keys", keys, "is_well_formed", lambda text: keys._FORM.fullmatch(text) is not None),
    ("cookies", cookies, "_SPACE", "\xa0 \t"),
    ("cursors", cursors, "_FORM", re.compile(cursors._FORM.pattern.replace("{1,64}", "+"))),
    ("networks", networks, "contain", lambda _, address: address is not None),
    ("parameters", parameters, "_INTEGER", re.compile(r"-?[0-9]+")),
    ("redirects", origins.Origins, "trust", lambda _, url: url.startswith("/")),
    ("scopes", scopes, "covers", lambda granted, wanted: granted[:1] == wanted[:1]),
]


def fuzz(name: str, executions: str) -> subprocess.CompletedProcess[str]:
    """Run a harness to its end, which libFuzzer reports on standard error."""
    options = ("--executions", executions, "--seed", SEED)
    return subprocess.run(
        [sys.executable, "-m", "security.fuzzers.run", name, *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=TESTS,
    )


@pytest.fixture
def fuzzer() -> None:
    if importlib.util.find_spec("atheris") is None:
        assert os.environ.get("CI") != "true", "install atheris"
        pytest.skip("install atheris, which fuzzes; the seeds are tried without it")


@pytest.mark.parametrize("name", NAMES)
def test_the_seeds_break_no_promise(name: str) -> None:
    check = check_of(name)
    for seed in seeds(name):
        check(seed)


@pytest.mark.parametrize(
    ("name", "module", "attribute", "wrong"), WRONG, ids=[each[0] for each in WRONG]
)
def test_the_seeds_tell_a_wrong_parser(
    name: str, module: Any, attribute: str, wrong: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = check_of(name)
    monkeypatch.setattr(module, attribute, wrong)
    with pytest.raises(AssertionError):
        all(check(seed) is None for seed in seeds(name))


def test_every_harness_is_run_and_has_seeds_that_are_few() -> None:
    modules = {path.stem for path in CORPUS.parent.glob("*.py")} - {"harnesses", "run", "canary"}
    assert modules == set(NAMES)
    for name in NAMES:
        path = CORPUS / f"{name}.txt"
        assert path.stat().st_size < 16_384
        assert path.read_text(encoding="ascii") == "".join(f"{written(s)}\n" for s in seeds(name))


@pytest.mark.usefixtures("fuzzer")
def test_a_promise_that_does_not_hold_is_found() -> None:
    done = fuzz("canary", "100000")
    assert done.returncode != 0
    assert "AssertionError" in done.stdout + done.stderr


@pytest.mark.usefixtures("fuzzer")
@pytest.mark.parametrize("name", NAMES if EXECUTIONS else [ALL])
def test_fuzzing_breaks_no_promise(name: str) -> None:
    done = fuzz(name, EXECUTIONS or str(SHORT))
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    executed = re.search(r"number_of_executed_units: (\d+)", said)
    assert executed, said[-4000:]
    assert int(executed[1]) >= int(EXECUTIONS or SHORT)
    print(f"{name}: {executed[1]} executions, seed {SEED}")
