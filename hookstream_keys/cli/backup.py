"""`hookstream-keys backup`."""

from pathlib import Path

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import show


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@with_json
@with_database
def backup_command(file: Path, as_json: bool, database: str) -> None:
    """Write a copy of the database to FILE, which must not exist; the server may run.

    The copy is as everything was at one moment. It is checked before it has its name, and
    only you can read it. It has no session in it. Keep the head that is printed apart from it.
    """
    made = existing_store(database).backup(file)
    facts = {"file": str(file), "rows": made.rows, "head": made.head, "until": made.until}
    show(facts, as_json)
