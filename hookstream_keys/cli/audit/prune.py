"""`hookstream-keys audit prune`."""

from functools import partial
from pathlib import Path

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.operations import operator_context
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import note, show
from hookstream_keys.cli.progress import progress_bar
from hookstream_keys.domain import timestamps
from hookstream_keys.handlers import audit


def _moment(_: click.Context, __: click.Parameter, text: str) -> str:
    """A time as it is stored."""
    # A date is its first moment in UTC.
    form = f"{text}T00:00:00Z" if "T" not in text.upper() else text
    try:
        moment = timestamps.from_text(form)
    except ValueError:
        raise click.BadParameter(
            "is not a time: give a date, 2026-01-31, or an RFC 3339 time with Z or an offset from "
            "UTC, such as 2026-01-31T12:00:00Z"
        ) from None
    if moment > timestamps.now():
        raise click.BadParameter("is in the future; only rows from before a time can be pruned")
    return timestamps.to_text(moment)


@click.command("prune")
@click.option(
    "--before",
    metavar="TIME",
    required=True,
    callback=_moment,
    help="Remove rows from before: a date, 2026-01-31 (in UTC), or a time, 2026-01-31T12:00:00Z.",
)
@click.option(
    "--archive",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where to write the rows first. It must not exist.",
)
@click.option("--no-archive", is_flag=True, help="Keep no copy of the rows.")
@with_json
@with_database
def prune_command(
    before: str, archive: Path | None, no_archive: bool, as_json: bool, database: str
) -> None:
    """Remove the audit log's oldest rows, after writing them to a file.

    The remaining rows stay verifiable, and with the file the whole log: audit verify --archive
    FILE. Pruning is recorded in the log, with the last pruned row. The server may run.
    """
    if (archive is None) is not no_archive:
        raise click.UsageError(
            "give either --archive FILE, for a copy of the rows, or --no-archive"
        )
    store = existing_store(database)
    context = operator_context(store)
    with progress_bar() as progress:
        pruned = store.prune_audit_log(
            before, archive, partial(audit.log_pruned, context), progress=progress
        )
    if pruned is None:
        note("No row of the log is older; nothing was changed.")
    facts = {
        "rows": pruned.rows if pruned else 0,
        "through_seq": pruned and pruned.through_seq,
        "hash": pruned and pruned.hash,
        "until": pruned and pruned.until,
        "archive": str(archive) if pruned and archive else None,
    }
    show(facts, as_json)
