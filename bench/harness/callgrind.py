"""Instructions that a request costs, counted by valgrind's callgrind.

CPU time differs by 5 % from run to run, and by more where other machines share the processor. The
instructions of a request differ by less than 2 %. They are those of user mode: the kernel's are not
counted, and none waits for memory. On one connection: with more, wrk would stop with as many
requests begun that it does not count.
"""

from pathlib import Path

from harness.programs import Unusable, require, run
from harness.server import Server, serving
from harness.system import Data, System

#: Of a run: a request takes fifty times as long as without, and there are to be a hundred.
_SECONDS = 5
#: What the file says of all that was counted since the last dump.
_TOTAL = "totals:"


def instructions(system: System, data: Data) -> dict[str, float]:
    """The instructions of a request, by work. Raises Unusable."""
    counted = data.folder / "callgrind"
    counted.mkdir()
    # Counting begins later: the start is not counted.
    under = (
        require("valgrind"), "--tool=callgrind", "--instr-atstart=no", "--trace-children=yes",
        f"--callgrind-out-file={counted / '%p'}",
    )  # fmt: skip
    with serving(system, data, under=under) as server:
        return {work: _count(server, work, counted) for work in system.works}


def _count(server: Server, work: str, folder: Path) -> float:
    control = require("callgrind_control")
    load = server.load(work, connections=1, seconds=_SECONDS)
    # What is done once is done before.
    server.drive(load)
    pid = str(server.pid)
    run(control, "--instr=on", pid)
    sample, _ = server.drive(load)
    run(control, "--instr=off", pid)
    run(control, "--dump", pid)
    newest = max(folder.glob(f"{pid}.*"), key=lambda file: file.stat().st_mtime_ns, default=None)
    if newest is None:
        raise Unusable("callgrind has written nothing")
    totals = [
        int(line.removeprefix(_TOTAL))
        for line in newest.read_text("utf-8").splitlines()
        if line.startswith(_TOTAL)
    ]
    return sum(totals) / sample.requests
