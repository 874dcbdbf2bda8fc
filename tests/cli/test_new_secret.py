"""A new signing secret beside a database that was used with another: the operator is told."""

import logging
import shutil
from pathlib import Path

import pytest
from support import Database, run, serving

from hookstream_keys.app import create_app
from hookstream_keys.settings import Settings

pytestmark = pytest.mark.on_sqlite(reason="on PostgreSQL the secret has to be set")

OWN = {"BETTER_AUTH_SECRET": ""}


@pytest.fixture
def secret_file(database: Database) -> Path:
    """The file of a database that was made with it; what it had is kept beside it."""
    assert run("init", database=database.path, **OWN).stderr == ""
    path = database.path.with_name("hookstream.db.secret")
    shutil.copy(path, path.with_name("kept"))
    return path


def warning(database: Database) -> str:
    path = f"{database.path}.secret"
    return (
        f"the database {database.path} was used before, and there is no signing secret for it: a "
        f"new one is made in {path}. Session cookies and backups that were made with the old "
        "secret no longer verify. To put the old one back, stop the server, and either replace "
        f"{path} by the file that was kept, or set BETTER_AUTH_SECRET to what it was.\n"
    )


def test_init_says_that_it_makes_another_secret(database: Database, secret_file: Path) -> None:
    old = secret_file.read_text()
    secret_file.unlink()
    done = run("init", database=database.path, **OWN)
    assert (done.returncode, done.stderr) == (0, f"WARNING: {warning(database)}")
    assert secret_file.read_text() not in ("", old)
    # It is said once: now there is one.
    assert run("init", database=database.path, **OWN).stderr == ""


def test_what_it_says_is_so_and_the_way_back_leads_back(
    database: Database, secret_file: Path
) -> None:
    backup = str(database.path.with_name("b.db"))
    assert run("backup", backup, database=database.path, **OWN).returncode == 0
    secret_file.unlink()
    assert run("init", database=database.path, **OWN).returncode == 0
    done = run("restore", backup, database=database.path, **OWN)
    assert done.returncode == 1
    assert f"it was made with another signing secret than the one in {secret_file}" in done.stderr
    shutil.copy(secret_file.with_name("kept"), secret_file)
    assert run("restore", backup, database=database.path, **OWN).returncode == 0


def test_serve_says_it_once_however_many_workers_start(
    database: Database, secret_file: Path
) -> None:
    secret_file.unlink()
    with serving(database, workers=2, BETTER_AUTH_SECRET="") as server:
        assert server.request("GET", "/health/ready").is_success
    assert server.log.read_text(encoding="utf-8").count(warning(database)) == 1


def test_another_asgi_server_has_it_in_the_log(
    database: Database, secret_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret_file.unlink()
    with caplog.at_level(logging.WARNING, "hookstream_keys"):
        create_app(Settings(database=f"sqlite:///{database.path}"))
    assert [record.getMessage() + "\n" for record in caplog.records] == [warning(database)]


def test_a_database_that_is_new_is_no_reason_for_a_warning(database: Database) -> None:
    with serving(database, BETTER_AUTH_SECRET="") as server:
        assert server.request("GET", "/health/ready").is_success
    assert "WARNING" not in server.log.read_text(encoding="utf-8")
    assert run("init", database=database.path, **OWN).stderr == ""


def test_a_secret_that_is_set_is_no_reason_for_a_warning(
    database: Database, secret_file: Path
) -> None:
    secret_file.unlink()
    assert run("init", database=database.path).stderr == ""


def test_the_error_for_a_damaged_secret_file_says_what_is_lost(
    database: Database, secret_file: Path
) -> None:
    secret_file.write_text("short")
    done = run("init", database=database.path, **OWN)
    assert done.returncode == 1
    assert f"the secret file {secret_file} is empty, truncated or not text" in done.stderr
    assert "every session cookie then stops working, and backups that were made" in done.stderr
