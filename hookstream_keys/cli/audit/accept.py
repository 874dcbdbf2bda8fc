"""`hookstream-keys audit accept`."""

import dataclasses
import json
import sys
from functools import partial
from pathlib import Path

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.operations import operator_context
from hookstream_keys.cli.options import with_archives, with_database, with_json
from hookstream_keys.cli.output import note, show_json
from hookstream_keys.cli.progress import progress_bar
from hookstream_keys.domain import timestamps
from hookstream_keys.handlers import audit
from hookstream_keys.store import Acceptance, AcceptedChange


@click.command("accept")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--yes", is_flag=True, help="Accept what is listed. Default: list only.")
@with_archives
@with_json
@with_database
def accept_command(
    ids: tuple[str, ...], yes: bool, archives: tuple[Path, ...], as_json: bool, database: str
) -> None:
    """List changes of members and organizations that another program made, and accept them.

    better-auth's own organization plugin writes to these tables, and audit verify --state reports
    it. With --yes, each listed change is recorded in the audit log as accepted by the operator,
    with old and new values, and is no longer reported. With an ID, only that member or
    organization.
    Read the list first: a change by SQL, such as of a role, looks the same. Nothing else
    can be accepted, and keys never.

    The exit status is 0 when nothing differs from the log any more, and 1 otherwise.
    """
    store = existing_store(database)
    context = operator_context(store)
    with progress_bar() as progress:
        found = store.accept_changes(
            timestamps.to_text(context.now),
            partial(audit.accepted, context),
            only=ids,
            archives=archives,
            rehearse=not yes,
            progress=progress,
        )
    if as_json:
        show_json(
            {
                "accepted": yes,
                "changes": [change._asdict() for change in found.changes],
                "left": [dataclasses.asdict(fault) for fault in found.left],
                "left_count": found.left_count,
            }
        )
    else:
        _print_result(found, is_done=yes)
    is_explained = not found.left_count and (yes or not found.changes)
    sys.exit(0 if is_explained else 1)


def _print_result(found: Acceptance, *, is_done: bool) -> None:
    for change in found.changes:
        click.echo(_line(change))
    for fault in found.left:
        click.echo(f"left: {fault}")
    if found.left_count > len(found.left):
        click.echo(f"left: and {found.left_count - len(found.left)} more")
    if not found.changes:
        note("There is nothing to accept.")
    elif is_done:
        note("Accepted: the audit log has an event for each.")
    else:
        note("Nothing was changed. To accept what is listed, without what is left, add --yes.")


def _line(change: AcceptedChange) -> str:
    # As JSON: a row that was changed may contain anything, such as terminal control codes.
    told = {name: value for name, value in change.details.items() if name != "accepted"}
    where = f"{json.dumps(change.resource_id)} of {json.dumps(change.org_id)}"
    return f"{change.action} {where}: {json.dumps(told)}"
