"""Run the comparison, print the table, and keep it in RESULTS.md if it is a whole one."""

import sys

from harness.machine import heading
from harness.programs import Unusable, require
from harness.system import System
from harness.targets import targets

from compare import asgi_servers, beside, footprint, instructions, rounds, slow_disk, workers
from compare.options import ENOUGH_ROUNDS, Options, read
from compare.rounds import Findings
from compare.table import Row, markdown


def main() -> None:
    """Run. Ends with status 1 when something is missing or a system answers wrongly."""
    options = read(sys.argv[1:])
    try:
        for program in ("wrk", "cc"):
            require(program)
        lines = _report(options)
    except Unusable as error:
        sys.exit(f"bench: {error}")
    text = "\n".join(lines) + "\n"
    print(text)
    if options.is_trial():
        print(f"A trial: {options.output.name} is written after {ENOUGH_ROUNDS} rounds of all.")
    else:
        options.output.write_text(text, "utf-8")


def _report(options: Options) -> list[str]:
    templates = rounds.prepare(options)
    rows: list[Row] = []
    ours = options.systems[0]
    found = Findings()
    if "works" in options.parts:
        found = rounds.run(options, templates)
        rows += _rows(options, found)
    if "beside" in options.parts:
        rows += beside.run(options, templates)
    if "slow-disk" in options.parts:
        rows += slow_disk.run(options, templates)
    if "workers" in options.parts:
        rows += workers.run(options, templates)
    if "asgi-servers" in options.parts:
        rows += asgi_servers.run(options, templates)
    if "footprint" in options.parts and found.samples:
        rows += footprint.run(ours, found)
    if "instructions" in options.parts:
        rows += instructions.run(options, templates)
    wrk = max((row.sample.wrk_share for row in rows if row.sample), default=0)
    return [
        "# Beside its peers",
        "",
        f"Medians of {options.rounds} rounds of {options.seconds} seconds, "
        f"{options.connections} connections, {options.keys} keys, one server process; written by "
        "`tox -e bench`. README.md says what is measured and what is fair.",
        "",
        *heading(options.systems),
        *markdown(rows, targets()),
        "",
        "`found` of a peer is how many times its requests per second hookstream-keys answers; of "
        "instructions, how many times ours it takes; of a "
        "row of its own it is what the target is about. CPU is that of all processes of the "
        "server, for each request; fsyncs are counted in a run before, for each request, and "
        "instructions by valgrind, without the kernel's.",
        f"wrk used at most {wrk:.0%} of a core.",
    ]


def _rows(options: Options, found: Findings) -> list[Row]:
    ours = options.systems[0]
    return [
        _row(work, system, ours, found)
        for work in rounds.WORKS
        for system in options.systems
        if work in system.works
    ]


def _row(work: str, system: System, ours: System, found: Findings) -> Row:
    sample = found.median(work, system)
    value = None
    # A session is one of two ways to be allowed to create; ours is compared by what it does.
    own_work = "create" if work == "create_by_session" else work
    if system is not ours:
        value = found.ratio(own_work, ours, work, system)
    return Row(
        work=work.replace("_", " "),
        system=system.label,
        sample=sample,
        fsyncs=found.fsyncs[work, system.name],
        figure=f"{work}/{system.name}",
        value=value,
    )


if __name__ == "__main__":
    main()
