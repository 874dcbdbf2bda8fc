"""Every claim of README.md: its commands as they stand there, its tables, its links."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import Database
from support.readme import README, ROOT, code_blocks, table

from hookstream_keys.cli import cli
from hookstream_keys.settings import Settings

START, PROVE, CREATE, VERIFY = code_blocks()

#: The README's commands name it, so they cannot take another.
PORT = 8080


@dataclass(frozen=True)
class Started:
    """What the README's first command did."""

    folder: Path
    printed: str

    def fact(self, name: str) -> str:
        """One of the facts that `init` printed."""
        found = re.search(rf"^{name} +(\S+)$", self.printed, re.MULTILINE)
        assert found, self.printed
        return found[1]

    def fill_in(self, command: str) -> str:
        """A command of the README with what its reader would put there."""
        return (
            command.replace("YOUR_API_TOKEN", self.fact("key"))
            .replace("YOUR_ORG_ID", self.fact("org_id"))
            .replace("YOUR_ENV_ID", self.fact("env_id"))
        )


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _environment() -> dict[str, str]:
    """What a person's shell has: nothing of these tests."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOOKSTREAM_", "BETTER_AUTH_", "VIRTUAL_ENV", "COVERAGE_"))
    }


@pytest.fixture(scope="module")
def started(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """The first command, exactly as written, in a fresh checkout."""
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", PORT)) != 0, f"port {PORT} is taken"
    output = tmp_path_factory.mktemp("readme") / "output"
    with output.open("w") as sink:
        process = subprocess.Popen(
            ["bash", "-c", START],
            cwd=checkout,
            env=_environment(),
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 240
        while not _answers():
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.2)
        yield Started(checkout, output.read_text())
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def _answers() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", PORT)) == 0


def test_the_first_command_prints_a_key_and_where_to_go(started: Started) -> None:
    assert re.fullmatch(r"hs_live_[0-9a-f]{64}", started.fact("key"))
    assert f"http://127.0.0.1:{PORT}/v1\n" in started.printed
    assert f"http://127.0.0.1:{PORT}/v1/ui/\n" in started.printed


def test_the_first_key_issues_another_valid_key(started: Started) -> None:
    answer = shell(started.fill_in(CREATE), started.folder)
    created = json.loads(answer.stdout)
    claimed = "`id`, `name`, `key`, `key_prefix`, `scopes` and `created_at`"
    assert claimed in " ".join(README.split())
    assert [f"`{name}`" for name in created] == re.findall(r"`\w+`", claimed)
    verify = VERIFY.replace("YOUR_API_TOKEN", created["key"])
    done = shell(verify, started.folder)
    assert done.returncode == 0, done.stderr
    assert "VALID" in done.stdout


def test_no_key_is_in_the_database_in_the_clear(started: Started) -> None:
    created = json.loads(shell(started.fill_in(CREATE), started.folder).stdout)
    dump = Database(started.folder / "hookstream.db").dump()
    assert created["id"] in dump
    assert created["key"] not in dump
    assert started.fact("key") not in dump


def test_the_links_on_this_machine_lead_somewhere(started: Started) -> None:
    for url in set(re.findall(rf"http://127\.0\.0\.1:{PORT}/v1[\w/]*", README)):
        if url.endswith("/api-keys"):
            continue
        # The base itself is no operation; what it prefixes is.
        answer = shell(f"curl -s -o /dev/null -w '%{{http_code}}' {url}", started.folder)
        assert answer.stdout in ("200", "404"), url


def test_ci_runs_the_second_command_as_written() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert PROVE.strip() in [line.strip() for line in script.splitlines()]


def test_each_command_is_one_line() -> None:
    assert START.count("\n") == PROVE.count("\n") == 1


def test_the_configuration_table_is_the_settings() -> None:
    expected = []
    for item in fields(Settings):
        default = item.default
        if isinstance(default, bool):
            default = "on" if default else "off"
        shown = f"`{default}`" if default not in ("", ()) else ""
        expected.append([f"`{item.metadata['variable']}`", shown, item.metadata["about"]])
    assert table("Configuration") == expected


def test_the_command_table_is_the_command_line() -> None:
    commands = []
    for name, command in cli.commands.items():
        if hasattr(command, "commands"):
            commands += [f"`hookstream-keys {name} {inner}`" for inner in command.commands]
        else:
            commands.append(f"`hookstream-keys {name}`")
    assert [row[0] for row in table("Commands")] == commands


def test_every_command_has_help_and_a_database() -> None:
    for row in table("Commands"):
        words = row[0].strip("`").split()[1:]
        answer = CliRunner().invoke(cli, [*words, "--help"])
        assert answer.exit_code == 0
        for text in ("--database", "HOOKSTREAM_DATABASE"):
            # A sandbox makes its own, and a move names two.
            has_it = text in " ".join(answer.output.split()).replace("as for --database", "")
            assert has_it == (words not in (["sandbox"], ["migrate-store"]))
        assert ("--json" in answer.output) == (words != ["serve"])


def test_every_option_that_the_table_names_exists() -> None:
    for row in table("Commands"):
        words = row[0].strip("`").split()[1:]
        output = CliRunner().invoke(cli, [*words, "--help"]).output
        for option in re.findall(r"`(--[\w-]+)`", row[1]):
            assert option in output


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_to_files_are_not_broken(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / target).exists(), target


def test_the_map_names_what_there_is() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:hookstream_keys|handlers|store|tests)/[\w./]*)`", text):
        assert (ROOT / path).exists(), path
    for folder in re.findall(r"`(\w+)`", text.partition("`tests/`")[2].partition("\n")[0]):
        assert (ROOT / "tests" / folder).is_dir(), folder
