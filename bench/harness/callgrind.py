"""Instructions that a request costs, counted by valgrind's callgrind.

CPU time differs by 5 % from run to run, and by more where other machines share the processor. The
instructions of a request differ by less than 2 %. They are those of user mode: the kernel's are not
counted, and none waits for memory. What the server does while it is idle is subtracted. On one
connection: with more, wrk would stop with as many requests begun that it does not count.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import processes
from harness.programs import Unusable, require, run
from harness.server import Server, serving
from harness.system import Data, System

#: A request takes fifty times as long as without, and there are to be hundreds of each work.
_SECONDS = 15
_IDLE_SECONDS = _WARM_UP_SECONDS = 5
#: How many keys are used, over and over.
_KEYS = 10
#: What the file says of all that was counted since the last dump.
_TOTAL = "totals:"


def instructions(system: System, data: Data) -> dict[str, float]:
    """The instructions of a request, by work. Raises Unusable."""
    folder = data.folder / "callgrind"
    folder.mkdir()
    # Counting begins later: the start is not counted.
    under = (
        require("valgrind"), "--tool=callgrind", "--instr-atstart=no", "--trace-children=yes",
        f"--callgrind-out-file={folder / '%p'}",
    )  # fmt: skip
    with serving(system, data, under=under) as server:
        # What is done the first time only is done before; so are the keys read that may be cached.
        few = data.folder / "few.txt"
        few.write_text(
            "".join(data.keys.read_text("utf-8").splitlines(keepends=True)[:_KEYS]), "utf-8"
        )
        for work in system.works:
            server.drive(server.load(work, connections=1, seconds=_WARM_UP_SECONDS, keys=few))
        with _counting(server, folder) as idle:
            time.sleep(_IDLE_SECONDS)
        found = {}
        for work in system.works:
            with _counting(server, folder) as counted:
                load = server.load(work, connections=1, seconds=_SECONDS, keys=few)
                sample, outcome = server.drive(load)
            beside = idle[0] * outcome.seconds / _IDLE_SECONDS
            found[work] = (counted[0] - beside) / sample.requests
        return found


@contextmanager
def _counting(server: Server, folder: Path) -> Iterator[list[int]]:
    """Count the instructions of all processes; at the end of the block the list has them."""
    control, counted = require("callgrind_control"), list[int]()
    pids = [str(pid) for pid in processes.tree(server.pid)]
    run(control, "--instr=on", *pids)
    yield counted
    run(control, "--instr=off", *pids)
    run(control, "--dump", *pids)
    counted.append(sum(_total(folder, pid) for pid in pids))


def _total(folder: Path, pid: str) -> int:
    """What a process counted until its latest dump, since the one before. Raises Unusable."""
    newest = max(folder.glob(f"{pid}.*"), key=lambda file: file.stat().st_mtime_ns, default=None)
    if newest is None:
        raise Unusable(f"callgrind has written nothing of process {pid}")
    lines = newest.read_text("utf-8").splitlines()
    return sum(int(line.removeprefix(_TOTAL)) for line in lines if line.startswith(_TOTAL))
