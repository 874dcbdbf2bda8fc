"""`hookstream-keys restore`."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import click

from hookstream_keys.cli.database import existing_store, is_empty, opened_store
from hookstream_keys.cli.operations import operator_context
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import note, printable, show
from hookstream_keys.cli.sealing import seal_keys
from hookstream_keys.domain import timestamps
from hookstream_keys.handlers import audit
from hookstream_keys.store import (
    BackupRefused,
    Restored,
    SealKeys,
    Store,
    database_file,
)


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--dry-run", "rehearse", is_flag=True, help="Print what would change; change nothing."
)
@click.option(
    "--unsealed",
    is_flag=True,
    help="Restore although its seal is missing or not valid, or it differs from its own audit log."
    " Only for a file of known origin: anyone who could write to it may have changed it.",
)
@with_json
@with_database
def restore_command(
    file: Path, rehearse: bool, unsealed: bool, as_json: bool, database: str
) -> None:
    """Restore the backup in FILE, and preserve later revocations. The server may run.

    Restored: organizations, environments, keys and members that were changed or deleted since,
    invitations and idempotency records. A key that was deleted, or went with its environment or
    organization, comes back revoked.

    Unchanged: users, their passwords and email addresses; secrets and usage of keys that
    exist; the audit log, which continues. Keys that were revoked, disabled, narrowed or rotated
    since the backup stay so. Members who were removed, or whose user was deleted, stay out, and
    lowered roles stay lowered.

    Removed: organizations, environments, keys, members and invitations that were created since. All
    sessions end: every user signs in again.

    Without a database the backup becomes the database, users and passwords included: later
    revocations and removals are then not known.

    It prints how many rows of each kind were restored (missing before), updated and removed, and
    how many revocations and removals since the backup were preserved. --dry-run prints the same.
    """
    keys = seal_keys(database)
    store = _store_at(database)
    found = _restored(store, file, keys, unsealed=unsealed, rehearse=rehearse)
    for warning in found.warnings:
        note(printable(f"WARNING: {file} {warning}."))
    if not found.compared:
        beside = database_file(database)
        where = "data in the database" if beside is None else f"database {beside.absolute()}"
        note(printable(_warning(found, where)))
    if rehearse:
        note("Nothing was changed: this is what a restore would do.")
    facts = _facts(found)
    show(facts, as_json, _lines(facts))


def _store_at(database: str) -> Store:
    """The database, or the store of one that does not exist yet. Raises StoreError."""
    file = database_file(database)
    if file is None:
        # Without data, or without tables, it is one that does not exist yet.
        return opened_store(database)
    path = file.absolute()
    if not path.exists():
        return opened_store(database)
    if is_empty(path):
        raise BackupRefused(
            f"the database {path} is an empty file: move it away, or let --database or "
            "HOOKSTREAM_DATABASE name another; where there is no file, the backup becomes the "
            "database"
        )
    return existing_store(database)


def _restored(
    store: Store, file: Path, keys: SealKeys, *, unsealed: bool, rehearse: bool
) -> Restored:
    context = operator_context(store)
    return store.restore(
        file,
        timestamps.to_text(context.now),
        partial(audit.restored, context),
        keys,
        deletions=audit.deletion_events(context.sources),
        revocations=audit.revocation_events(context.sources),
        unsealed=unsealed,
        rehearse=rehearse,
    )


def _facts(found: Restored) -> dict[str, Any]:
    facts = dataclasses.asdict(found)
    del facts["backup"]
    return {**found.backup._asdict(), **facts}


def _lines(facts: dict[str, Any]) -> dict[str, str]:
    """As text: a line for each kind, and one for each that was preserved."""
    lines = {
        name: value
        for name, value in facts.items()
        if name not in ("warnings", "changes", "preserved")
    }
    counts: dict[str, list[str]] = {}
    for name, count in facts["changes"].items():
        kind, _, done = name.partition(".")
        counts.setdefault(kind, []).append(f"{count} {done}")
    lines |= {kind: ", ".join(done) for kind, done in counts.items()}
    return lines | {f"preserved.{name}": count for name, count in facts["preserved"].items()}


def _warning(found: Restored, database: str) -> str:
    return (
        f"WARNING: there was no {database} to compare the backup with. The last change in "
        f"the backup was made at {found.backup.until}. What was revoked, disabled, rotated or "
        "removed later is restored as it was then: revoke those keys and remove those members "
        "again."
    )
