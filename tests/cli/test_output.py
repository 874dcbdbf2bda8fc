"""What commands print: a secret that cannot be shown is undone, and errors have one form."""

import re
import socket
import subprocess
from contextlib import redirect_stdout, suppress
from pathlib import Path

import httpx
import pytest
from support import COMMAND, NO_TLS, Database, Tenant, environment, run

from hookstream_keys.cli.output import OutputError, show_once
from hookstream_keys.store import StoreUnavailable

FULL = Path("/dev/full")
NEEDS_FULL = pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")


def run_into(output: str, database: Database, *arguments: str, **settings: str) -> tuple[int, str]:
    """The status and standard error of a command whose standard output is `output`."""
    line = f'"$0" "$@" >{output}'
    done = subprocess.run(
        ["/bin/sh", "-c", line, COMMAND, *arguments],
        check=False,
        env=environment(database.path, **settings),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("output", [pytest.param("/dev/full", marks=NEEDS_FULL), "&-"])
def test_a_key_that_could_not_be_shown_is_revoked(
    database: Database, tenant: Tenant, output: str
) -> None:
    create = ("keys", "create", "--name", "lost", "--org", tenant.org_id, "--env", tenant.env_id)
    status, said = run_into(output, database, *create)
    assert (status, said.count("\n")) == (1, 1)
    assert "standard output" in said
    lost = database.execute("select id, revoked_at is null from api_key where name = 'lost'")
    # Where it is closed, that is known before.
    assert lost == [] or (lost[0][1] == 0 and f"key {lost[0][0]} is revoked" in said)


@NEEDS_FULL
def test_what_could_not_be_undone_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    def undo() -> None:
        raise StoreUnavailable("the disk is full")

    # Closing the file fails, too.
    with (
        suppress(OSError),
        FULL.open("w") as full,
        redirect_stdout(full),
        pytest.raises(OutputError) as raised,
    ):
        show_once({"key": "hs_live_0"}, as_json=False, undo=undo, undone="", by_hand="do it")
    assert str(raised.value) == (
        "standard output cannot be written (No space left on device), so the secret could not be "
        "shown; undoing that failed (the disk is full): do it"
    )
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("output", [pytest.param("/dev/full", marks=NEEDS_FULL), "&-"])
def test_a_rotation_that_could_not_be_shown_is_cancelled(
    database: Database, tenant: Tenant, output: str
) -> None:
    ((key,),) = database.execute("select id from api_key")
    status, said = run_into(output, database, "keys", "rotate", key, "--grace-period", "0")
    assert (status, said.count("\n")) == (1, 1)
    assert database.execute("select count(*) from rotation where state <> 'cancelled'") == [(0,)]


@pytest.mark.parametrize("output", [pytest.param("/dev/full", marks=NEEDS_FULL), "&-"])
def test_an_owner_whose_password_could_not_be_shown_is_not_created(
    database: Database, output: str
) -> None:
    status, said = run_into(output, database, "init")
    assert (status, said.count("\n")) == (1, 1)
    assert "standard output" in said
    # So it can be run again.
    assert database.run_init().password


@pytest.mark.parametrize("output", [pytest.param("/dev/full", marks=NEEDS_FULL), "&-"])
def test_a_server_serves_also_where_its_address_cannot_be_shown(
    database: Database, tenant: Tenant, output: str
) -> None:
    with subprocess.Popen(
        ["/bin/sh", "-c", f'exec "$0" "$@" >{output}', COMMAND, "serve", "--port", "0"],
        env=environment(database.path),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            told = process.stderr.readline()
            found = re.fullmatch(r"WARNING: standard output .*; the API is (http://\S+)\n", told)
            assert found, told
            assert httpx.get(f"{found[1]}/health", trust_env=False, verify=NO_TLS).is_success
        finally:
            process.terminate()
            # Its standard error stays open until then: what it logs last is not to fail.
            process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize("output", [pytest.param("/dev/full", marks=NEEDS_FULL), "&-"])
def test_a_sandbox_whose_facts_could_not_be_shown_stops(tmp_path: Path, output: str) -> None:
    nothing = Database(tmp_path / "none.db")
    own = {"HOOKSTREAM_DATABASE": "", "BETTER_AUTH_SECRET": ""}
    status, said = run_into(output, nothing, "sandbox", "--directory", str(tmp_path), **own)
    assert (status, said.count("\n")) == (1, 1), said
    assert "standard output" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("output", [pytest.param("/dev/full", marks=NEEDS_FULL), "&-"])
def test_a_password_that_could_not_be_shown_is_not_stored(
    database: Database, tenant: Tenant, output: str
) -> None:
    before = database.dump()
    for words in (
        ("create", "--email", "ada@example.com", "--name", "Ada"),
        ("set-password", tenant.email),
    ):
        status, said = run_into(output, database, "users", *words)
        assert (status, said.count("\n")) == (1, 1)
        assert "standard output" in said
    assert database.dump() == before


@NEEDS_FULL
def test_other_answers_that_cannot_be_written_are_an_error(
    database: Database, tenant: Tenant
) -> None:
    status, said = run_into("/dev/full", database, "keys", "list", "--org", tenant.org_id)
    assert (status, said) == (
        1,
        "hookstream-keys: standard output: No space left on device\n",
    )


def test_a_port_in_use_is_an_error_in_the_form_of_all_others(database: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        done = run("serve", "--init", "--port", port, database=database.path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("hookstream-keys: ")
    assert port in done.stderr


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("serve", "--port", "many"), "invalid value for '--port'"),
        (("serve", "--ports", "1"), "no such option"),
        (("keys", "lst"), "no such command 'lst'"),
        (("keys", "verify", "hs_test_0"), "the key is read from standard input"),
        (("audit", "prune"), "missing option"),
    ],
)
def test_a_wrong_command_line_gets_its_usage_and_an_error_in_the_same_form(
    database: Database, arguments: tuple[str, ...], error: str
) -> None:
    done = run(*arguments, database=database.path)
    usage, hint, empty, told = done.stderr.splitlines()
    assert (done.returncode, done.stdout, empty) == (2, "", "")
    assert usage.startswith(f"Usage: hookstream-keys {arguments[0]} ")
    assert hint.startswith(f"Try 'hookstream-keys {arguments[0]}")
    assert told.startswith(f"hookstream-keys: {error}")


@pytest.mark.parametrize("arguments", [(), ("keys",)])
def test_a_group_without_a_command_shows_its_help(
    database: Database, arguments: tuple[str, ...]
) -> None:
    done = run(*arguments, database=database.path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Commands:" in done.stderr
    assert "hookstream-keys: " not in done.stderr
