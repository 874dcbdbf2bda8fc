"""Several clients at work, all at once, until they are told to stop."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from faults.clients import BROKEN, LONG_GRACE, Client
from faults.ledger import Ledger, Step
from support import Server, Tenant


@dataclass
class Load:
    """Clients at work, until they are told to stop."""

    ledger: Ledger
    #: Set when nothing is to be sent any more.
    over: threading.Event
    #: What no client may be answered.
    wrong: list[BaseException]
    #: Called by a client that was answered.
    when_answered: Callable[[Step], None] = lambda _: None

    def work(self, client: Client, rng: Random, whose: str) -> None:
        """Take steps with keys of one's own, one after the other."""
        mine = [name for name in list(self.ledger.keys) if name.startswith(whose)]
        while not self.over.is_set():
            step = self._next(rng, whose, mine)
            if step.kind == "create":
                mine.append(step.name)
            self.ledger.sent(step)
            try:
                answer = client.take(step, self.ledger)
            except BROKEN:
                # It stays in doubt, and its key is left alone until it is checked.
                self.over.wait(0.01)
                continue
            except AssertionError as wrong:
                self.wrong.append(wrong)
                return
            self.ledger.answered(step, answer)
            self.when_answered(step)

    def _next(self, rng: Random, whose: str, mine: list[str]) -> Step:
        once = f"{whose}{rng.getrandbits(64):016x}"
        # Of the latest; what is older is only looked at.
        name = rng.choice(mine[-30:]) if mine else ""
        key = self.ledger.keys.get(name)
        if key is None or name in self.ledger.unanswered or key.stand.revoked or rng.random() < 0.3:
            return Step("create", once, once)
        if rng.random() < 0.4:
            return Step("rotate", name, once, rng.choice((0, LONG_GRACE)))
        return Step(rng.choice(("use", "use", "revoke")), name)


@contextlib.contextmanager
def working(
    server: Server,
    tenant: Tenant,
    load: Load,
    rng: Random,
    clients: int = 4,
) -> Iterator[None]:
    """Let clients work while the block runs. Raises what they found wrong."""
    ours = [Client(server, tenant) for _ in range(clients)]
    seeds = [rng.random() for _ in ours]
    threads = [
        threading.Thread(
            target=load.work,
            args=(client, Random(seed), f"client-{number}-"),  # noqa: S311 - can be repeated
        )
        for number, (client, seed) in enumerate(zip(ours, seeds, strict=True))
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        load.over.set()
        for thread in threads:
            thread.join()
        for client in ours:
            client.close()
        if load.wrong:
            raise load.wrong[0]
