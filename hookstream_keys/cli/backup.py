"""`hookstream-keys backup`."""

from pathlib import Path

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import note, show
from hookstream_keys.cli.sealing import seal_key
from hookstream_keys.domain import timestamps


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@with_json
@with_database
def backup_command(file: Path, as_json: bool, database: str) -> None:
    """Write a sealed copy of the database to FILE, which must not exist; the server may run.

    The copy is a consistent snapshot, without sessions. It is checked before it is renamed to FILE,
    and only its owner can read it. It is sealed with a key that is derived from the signing secret:
    restore refuses a copy that was changed. Store the secret, and the head that is printed,
    elsewhere.
    """
    # First: without a database there is no file with a secret either.
    store = existing_store(database)
    key = seal_key(database)
    now = timestamps.to_text(timestamps.now())
    made, state = store.backup(file, now, key)
    if state.faults:
        note(
            f"WARNING: the database is not as its audit log says {state.summary}. restore refuses "
            "this backup unless it is given --unsealed. Run hookstream-keys audit verify --state."
        )
    if not state.is_complete:
        note(
            "WARNING: the database was compared with its audit log in part only, since "
            "rows of that were pruned by a version that kept no checkpoint. Run hookstream-keys "
            "audit verify --state with --archive."
        )
    facts = {"file": str(file), **made._asdict(), "state_faults": state.fault_count}
    show(facts, as_json)
