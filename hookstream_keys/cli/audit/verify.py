"""`hookstream-keys audit verify`."""

import dataclasses
import re
import sys
from pathlib import Path
from typing import Any

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.options import with_archives, with_database, with_json
from hookstream_keys.cli.output import show_json
from hookstream_keys.cli.progress import progress_bar
from hookstream_keys.domain import timestamps
from hookstream_keys.store import ChainCheck, StateCheck
from hookstream_keys.store.state_check import UNRECORDED_FIELDS

#: The exit status when no fault was found, but not everything could be checked.
INCOMPLETE = 3


@click.command("verify")
@click.option(
    "--since-head",
    "expected_head",
    metavar="HASH",
    help="A head that an earlier run printed: the log must still contain it; @FILE reads it from a"
    " file.",
)
@with_archives
@click.option(
    "--state",
    is_flag=True,
    help="Also compare keys, rotations, members, environments and names of organizations with the"
    " audit log.",
)
@with_json
@with_database
def verify_command(
    expected_head: str | None, archives: tuple[Path, ...], state: bool, as_json: bool, database: str
) -> None:
    """Verify the audit log's hash chain; exit with 1 when the log was changed.

    With --state the exit status is 3 when no fault was found, but not everything could be checked.

    The server may run. Store the head that it prints elsewhere: passed to --since-head, it proves
    that nothing before it was changed. With --state it also finds rows that were changed without
    an event in the log, such as a key whose revocation was undone.
    """
    expected_head = _head(expected_head)
    store = existing_store(database)
    with progress_bar() as progress:
        if state:
            now = timestamps.to_text(timestamps.now())
            found = store.check_state(now, expected_head, archives=archives, progress=progress)
            chain = found.chain
        else:
            found = None
            chain = store.check_audit_log(expected_head, archives=archives, progress=progress)
    facts, lines = _of_chain(chain)
    if found is not None and chain.fault is None:
        facts["ok"] = facts["ok"] and found.is_complete and not found.fault_count
        facts["state"] = _state_facts(found)
        lines += _state_lines(found)
    if as_json:
        show_json(facts)
    else:
        for line in lines:
            click.echo(line)
    if found is not None and not found.is_complete and not found.fault_count:
        sys.exit(INCOMPLETE)
    sys.exit(0 if facts["ok"] else 1)


def _head(given: str | None) -> str | None:
    """The head, or heads, that were given, perhaps in a file. Raises BadParameter."""
    head = given
    if given is not None and given.startswith("@"):
        # A system's longest argument, 128 KiB on Linux, has 2,016 heads.
        try:
            head = " ".join(Path(given[1:]).read_text("ascii").split())
        except (OSError, ValueError) as error:
            raise click.BadParameter(
                f"{given[1:]} cannot be read: {error}", param_hint="--since-head"
            ) from None
    if head is not None and not re.fullmatch(r"[0-9a-f]{64}( [0-9a-f]{64})*", head):
        raise click.BadParameter(
            "is not a head: give 64 hexadecimal digits, on PostgreSQL all that were printed, or "
            "@FILE with these",
            param_hint="--since-head",
        )
    return head


def _of_chain(found: ChainCheck) -> tuple[dict[str, Any], list[str]]:
    facts: dict[str, Any] = {"ok": found.fault is None, "rows": found.rows, "head": found.head}
    line = f"ok, {found.rows} rows, head {found.head}"
    if found.pruned:
        facts["pruned"] = found.pruned
        line += f", after {found.pruned} that were pruned"
    if found.fault is not None:
        facts |= dataclasses.asdict(found.fault)
        row = f"seq {found.fault.seq}"
        if found.fault.id is not None:
            # An attacker who changed it may have written anything there.
            row += f", id {found.fault.id!a}"
        line = f"{found.fault.problem}, {row}: {found.fault.message}"
    return facts, [line]


def _state_facts(found: StateCheck) -> dict[str, Any]:
    return {
        "ok": not found.fault_count,
        "complete": found.is_complete,
        "checked": dict(found.checked),
        "unchecked": dict(found.unchecked),
        "fault_count": found.fault_count,
        "faults": [dataclasses.asdict(fault) for fault in found.faults],
    }


def _state_lines(found: StateCheck) -> list[str]:
    checked = ", ".join(f"{count} {_plural(kind)}" for kind, count in found.checked.items())
    lines = [str(fault) for fault in found.faults]
    if found.fault_count > len(lines):
        lines.append(f"and {found.fault_count - len(lines)} more")
    if not found.is_complete:
        lines.append(_incomplete(found))
    if not lines:
        lines.append(f"state ok, {checked or 'no rows'}")
    lines += [f"not checked: {count} {reason}" for reason, count in found.unchecked.items()]
    return lines


def _incomplete(found: StateCheck) -> str:
    fields = found.unchecked[UNRECORDED_FIELDS]
    rows = found.unchecked.total() - fields
    return (
        f"incomplete: {rows} rows and {fields} fields were not checked, and rows that are gone "
        "were not missed, since what the log said of them was pruned; give the archive, with "
        "--archive"
    )


def _plural(kind: str) -> str:
    return {"api_key": "keys"}.get(kind, f"{kind}s")
