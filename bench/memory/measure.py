"""The resident memory of a server's processes, while verifications and creations are sent."""

import sys
import time
from collections import defaultdict
from contextlib import ExitStack

from harness import processes
from harness.clients import Requests, sending
from harness.hookstream import Hookstream
from harness.key_requests import creations, verifications
from harness.programs import Unusable
from harness.server import serving
from harness.system import Data
from scale.databases import database, to_write_into

#: Sent in a second, whatever the machine can do at most.
VERIFICATIONS, CREATIONS = 300, 30
WORKERS = 2
#: Seconds between two samples.
_EVERY = 10

#: Of each process, when it was looked at, in seconds from the beginning, and its bytes.
Series = dict[int, list[tuple[float, int]]]


def run(seconds: int, size: int) -> Series:
    """Send for so many seconds to a server with so many keys. Raises Unusable."""
    data = to_write_into(database(size), size)
    found: Series = defaultdict(list)
    with serving(Hookstream(), data, workers=WORKERS) as server, ExitStack() as stack:
        clients = [stack.enter_context(sending(server.port, each)) for each in _requests(data)]
        begun = time.monotonic()
        while (now := time.monotonic() - begun) < seconds:
            for pid, resident in processes.resident_bytes(server.pid).items():
                found[pid].append((now, resident))
            if any(each.process.poll() is not None for each in clients):
                raise Unusable("the clients ended before their time")
            time.sleep(_EVERY)
        for each in clients:
            answers = each.stop()
            count = sum(answers.statuses.values())
            print(f"{each.sent.title}: {count:,}", file=sys.stderr, flush=True)
    return found


def _requests(data: Data) -> list[Requests]:
    verify = Requests("verifications", verifications(data), per_second=VERIFICATIONS)
    return [verify, creations(data, CREATIONS)]
