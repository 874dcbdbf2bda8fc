"""The heavy tenant's clients, from outside their process."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.programs import Unusable

from fairness.client_process import Answers
from fairness.heavy import Heavy


@dataclass
class Sending:
    """A running process of clients."""

    process: subprocess.Popen[str]
    heavy: Heavy

    def stop(self) -> Answers:
        """Let them wait for their answers and end. Raises Unusable for a wrong answer."""
        printed, _ = self.process.communicate()
        if self.process.returncode != 0:
            raise Unusable(f"{self.heavy.title}: the clients failed:\n{printed}")
        answers = Answers(**json.loads(printed))
        if answers.first_wrong:
            raise Unusable(f"{self.heavy.title}: a wrong answer: {answers.first_wrong}")
        if str(self.heavy.status) in answers.statuses and self.heavy.shows not in answers.first:
            raise Unusable(f"{self.heavy.title}: not what was asked for: {answers.first[:500]}")
        return answers


@contextmanager
def sending(port: int, heavy: Heavy) -> Iterator[Sending]:
    """Clients that send the request until `stop`, or the end of the block."""
    job = {
        "port": port,
        "requests": [request.decode("latin-1") for request in heavy.requests],
        "once": heavy.once,
        "status": heavy.status,
    }
    with subprocess.Popen(
        (sys.executable, "-m", "fairness.client_process"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None  # noqa: S101 - for mypy: they were asked for
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            process.stdout.readline()
            yield Sending(process, heavy)
        finally:
            if process.poll() is None:
                process.kill()
