"""`hookstream-keys restore`."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import click

from hookstream_keys import timestamps
from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.operations import operators_call
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import note, printable, show
from hookstream_keys.cli.sealing import seal_keys
from hookstream_keys.handlers import audit
from hookstream_keys.store import Restored, Store, database_path, open_store


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", "rehearse", is_flag=True, help="Say what it would do; change nothing.")
@click.option(
    "--unsealed",
    is_flag=True,
    help="Put it back although its seal is missing or does not fit, or it is not as its own audit"
    " log says: anyone who could write to the file may have changed it.",
)
@with_json
@with_database
def restore_command(
    file: Path, rehearse: bool, unsealed: bool, as_json: bool, database: str
) -> None:
    """Put the backup in FILE back; what was ended since stays ended. The server may run.

    Keys that were revoked, disabled, narrowed or rotated since the backup stay so, as do
    members who were removed; users keep their passwords, and all have to sign in again.
    What was made since is gone, except for the audit log, which goes on. Where there is no
    database, the backup becomes it: then nothing that was ended since is known.
    """
    keys = seal_keys(database)
    exists = database_path(database).exists()
    store = existing_store(database) if exists else open_store(database)
    found = _restored(store, file, keys, unsealed=unsealed, rehearse=rehearse)
    store.close()
    for warning in found.warnings:
        note(printable(f"WARNING: {file} {warning}."))
    if not found.compared:
        note(_warning(found))
    if rehearse:
        note("Nothing was changed: this is what it would come to.")
    facts = _facts(found)
    shown = {name: value for name, value in facts.items() if name != "warnings"}
    show(facts, as_json, shown)


def _restored(
    store: Store, file: Path, keys: list[bytes], *, unsealed: bool, rehearse: bool
) -> Restored:
    call = operators_call(store)
    return store.restore(
        file,
        timestamps.to_text(call.now),
        partial(audit.restored, call),
        keys,
        unsealed=unsealed,
        rehearse=rehearse,
    )


def _facts(found: Restored) -> dict[str, Any]:
    facts = dataclasses.asdict(found)
    del facts["backup"]
    return {**found.backup._asdict(), **facts}


def _warning(found: Restored) -> str:
    return (
        "WARNING: there was no database to compare the backup with. The last change that it "
        f"knows of was made at {found.backup.until}. Nothing that was revoked, disabled, rotated "
        "or removed after that moment is known: all of it is as it was then. Revoke those keys "
        "and remove those members again."
    )
