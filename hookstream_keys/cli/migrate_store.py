"""`hookstream-keys migrate-store`."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hookstream_keys.cli.database import existing_store, opened_store
from hookstream_keys.cli.operations import operator_context
from hookstream_keys.cli.options import with_json, without_password
from hookstream_keys.cli.output import note, printable, show
from hookstream_keys.cli.progress import progress_bar
from hookstream_keys.handlers import audit
from hookstream_keys.settings import secret_path
from hookstream_keys.store import database_file, needs_driver

if TYPE_CHECKING:
    from hookstream_keys.store.postgresql.transfer.migrate_store import Moved


@click.command("migrate-store")
@click.argument("source", metavar="FROM", callback=without_password)
@click.argument("target", metavar="TO", callback=without_password)
@click.option("--restart", is_flag=True, help="Copy all rows again after an interruption.")
@with_json
def migrate_store_command(source: str, target: str, restart: bool, as_json: bool) -> None:
    """Move all data FROM a SQLite file TO PostgreSQL, or back: both are URLs as for --database.

    Meanwhile the source answers reads, such as verifications, and no writes: those are answered
    503. At the end it is retired: a file is renamed to FILE.moved, and a database in PostgreSQL
    refuses to be used, so servers that still run on it answer 503. TO must be empty, or a file
    that does not exist.

    The source's audit log is verified first, and every table is compared by its number of rows
    and a digest. Interrupted, the move to PostgreSQL continues when it is repeated.
    """
    from_file, to_file = database_file(source), database_file(target)
    if (from_file is None) is (to_file is None):
        raise click.UsageError(
            "give one URL of a file, sqlite:///FILE, and one of PostgreSQL, "
            "postgresql://USER@HOST/NAME"
        )
    with needs_driver():
        from hookstream_keys.store.postgresql.transfer import migrate_store
    if from_file is not None:
        # Not a link to it: that would be renamed.
        from_file = from_file.resolve()
    if from_file is not None and migrate_store.is_retired(from_file):
        recorded = partial(audit.store_moved, operator_context(opened_store(target)))
        migrate_store.end(from_file, target, recorded)
        note("The end of the move that was interrupted is done.")
        return
    if to_file is not None and migrate_store.is_left(source, to_file):
        migrate_store.end_to_file(to_file)
        note("The end of the move that was interrupted is done.")
        return
    store = existing_store(source)
    recorded = partial(audit.store_moved, operator_context(store))
    with progress_bar() as progress:
        if from_file is not None:
            moved = migrate_store.to_postgresql(
                from_file, target, recorded, restart=restart, progress=progress
            )
        elif to_file is not None:
            moved = migrate_store.to_file(source, to_file, recorded, progress=progress)
    show(_facts(moved), as_json)
    note(printable(_next(from_file)))


def _facts(moved: "Moved") -> dict[str, Any]:
    return {"head": moved.head, **moved.rows}


def _next(from_file: Path | None) -> str:
    """What the operator does next."""
    if from_file is None:
        return (
            "Start the server on the file with the same BETTER_AUTH_SECRET. The database in "
            "PostgreSQL refuses to be used from now on."
        )
    begin = f"{from_file} is now {from_file.name}.moved; delete it when you no longer need it."
    if os.environ.get("BETTER_AUTH_SECRET") or os.environ.get("BETTER_AUTH_SECRETS"):
        return f"{begin} Start the nodes with the same BETTER_AUTH_SECRET."
    return (
        f"{begin} Start the nodes with BETTER_AUTH_SECRET set to the content of "
        f"{secret_path(from_file)}: with another one, signed cookies and idempotent requests from "
        "before are not recognized."
    )
