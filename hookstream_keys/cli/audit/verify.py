"""`hookstream-keys audit verify`."""

import dataclasses
import re
import sys
from pathlib import Path
from typing import Any

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import show_json
from hookstream_keys.cli.progress import progress_bar
from hookstream_keys.store import ChainCheck


@click.command("verify")
@click.option(
    "--since-head",
    "kept",
    metavar="HASH",
    help="A head that an earlier run printed: the log must still contain it.",
)
@click.option(
    "--archive",
    "archives",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What audit prune wrote: checked with the log as one chain. May be repeated.",
)
@with_json
@with_database
def verify_command(
    kept: str | None, archives: tuple[Path, ...], as_json: bool, database: str
) -> None:
    """Say whether the audit log is as it was written; exit with 1 when it is not.

    It may run beside the server. Keep the head that it prints somewhere else: given back
    with --since-head, it proves that nothing before it was changed, by anyone.
    """
    if kept is not None and not re.fullmatch(r"[0-9a-f]{64}", kept):
        raise click.BadParameter("is no head: 64 hexadecimal digits", param_hint="--since-head")
    with progress_bar() as progress:
        chain = existing_store(database).check_audit_log(kept, archives=archives, progress=progress)
    facts, line = _of_chain(chain)
    if as_json:
        show_json(facts)
    else:
        click.echo(line)
    sys.exit(0 if facts["ok"] else 1)


def _of_chain(found: ChainCheck) -> tuple[dict[str, Any], str]:
    facts: dict[str, Any] = {"ok": found.fault is None, "rows": found.rows, "head": found.head}
    line = f"ok, {found.rows} rows, head {found.head}"
    if found.pruned:
        facts["pruned"] = found.pruned
        line += f", after {found.pruned} that were pruned"
    if found.fault is not None:
        facts |= dataclasses.asdict(found.fault)
        row = f"seq {found.fault.seq}"
        if found.fault.id is not None:
            # Who changed it may have put anything there.
            row += f", id {found.fault.id!a}"
        line = f"{found.fault.problem}, {row}: {found.fault.message}"
    return facts, line
