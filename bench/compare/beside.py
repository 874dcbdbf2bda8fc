"""Verification while keys are created and revoked, by other clients, at a rate.

A creation takes time of the same worker, and ends what it remembers of keys; a revocation does the
latter.
"""

import statistics
import time
from collections import defaultdict

from harness.clients import Requests, sending
from harness.key_requests import creations, revocations
from harness.places import WORK
from harness.programs import Unusable
from harness.server import Sample, Server, medians, ratio, serving
from harness.system import Data

from compare.options import Options
from compare.rounds import WARM_UP, say
from compare.table import Row

#: Creations in a second.
_CREATIONS = (100, 1_000)
#: Seconds for the other clients to begin.
_BEGINNING = 0.5
_ALONE = "alone"


def run(options: Options, templates: dict[str, Data]) -> list[Row]:
    """Verify keys at this server beside each kind of other clients. Raises Unusable."""
    ours = options.systems[0]
    samples: dict[str, list[Sample]] = defaultdict(list)
    rates: dict[str, list[float]] = defaultdict(list)
    for turn in range(options.rounds):
        data = templates[ours.name].copy(WORK / "run")
        with serving(ours, data) as server:
            verify = server.load("verify", connections=options.connections, seconds=options.seconds)
            server.drive(server.load("verify", seconds=WARM_UP))
            samples[_ALONE].append(server.drive(verify)[0])
            for others in _others(server, options.seconds):
                with sending(server.port, others) as clients:
                    time.sleep(_BEGINNING)
                    samples[others.title].append(server.drive(verify)[0])
                    answers = clients.stop()
                if answers.refused:
                    raise Unusable(f"{others.title}: {answers.refused} were answered with 503")
                rates[others.title].append(len(answers.latencies) / answers.seconds)
        say(f"beside: round {turn + 1} of {options.rounds} done")
    return [
        Row(
            work=f"verify beside {title}, found {statistics.median(rates[title]):.0f}",
            system=ours.name,
            sample=medians(samples[title]),
            # It is that of the other requests, too.
            has_cpu=False,
            figure=f"verify_beside_{title.replace(' ', '_')}",
            value=ratio(samples[title], samples[_ALONE], "per_second"),
        )
        for title in rates
    ]


def _others(server: Server, seconds: int) -> list[Requests]:
    """What is sent beside: creations at each rate, then revocations of keys made for that."""
    made = [creations(server.data, rate) for rate in _CREATIONS]
    return [*made, revocations(server, seconds)]
