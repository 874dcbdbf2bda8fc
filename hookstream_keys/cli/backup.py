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

    The copy is as everything was at one moment. It is checked before it has its name, and
    only you can read it. It has no session in it. It is sealed with a key that is derived from
    the signing secret: a copy that was changed is refused by restore. Keep the secret, and the
    head that is printed, apart from it.
    """
    # First: without a database there is no secret beside it either.
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
            "WARNING: the database was held against its audit log in part only, since rows of that "
            "were pruned by a version that kept no checkpoint. Run hookstream-keys audit verify "
            "--state with --archive."
        )
    facts = {"file": str(file), **made._asdict(), "state_faults": state.fault_count}
    show(facts, as_json)
