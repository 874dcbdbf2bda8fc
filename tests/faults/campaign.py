"""A database to which things happen, and looking at it each time."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from random import Random

from faults.clients import Client, resume
from faults.ledger import Ledger
from faults.load import Load, working
from faults.records import audit_head, faults, pending
from support import COMMAND, Database, Server, Tenant, serving


@dataclass
class Campaign:
    """What was done with one database, and what is known of it."""

    database: Database
    tenant: Tenant
    rng: Random
    ledger: Ledger = field(default_factory=Ledger)
    command: Sequence[str] = (COMMAND,)
    settings: Mapping[str, str] = field(default_factory=dict)
    #: What the audit log ended with when it was verified last.
    head: str | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def look(self, server: Server) -> None:
        """Hold everything that was acknowledged, and every row, against the database."""
        client = Client(server, self.tenant)
        try:
            # Now the server has the database open: looking at it, as well, changes nothing.
            client.ask("GET", "/auth/api-keys?limit=1")
            self._settle(client)
            self.counts["in doubt"] += resume(client, self.ledger)
            # Repeated requests show secrets that no client had seen.
            self._settle(client)
        finally:
            client.close()
        wrong = faults(self.database.path)
        assert not wrong, wrong
        self.head = audit_head(self.database.path, self.head)

    def served(self, workers: int = 1) -> AbstractContextManager[Server]:
        """Run a server on the database until the block ends."""
        return serving(
            self.database,
            workers=workers,
            command=self.command,
            **{"HOOKSTREAM_RATE_LIMIT": "off", **self.settings},  # type: ignore[arg-type]
        )

    def work(self, server: Server, seconds: float, then: Callable[[], None]) -> None:
        """Let clients work for so long, and do something to the server while they do."""
        load = Load(self.ledger, threading.Event(), [])
        with working(server, self.tenant, load, self.rng):
            time.sleep(seconds)
            then()

    def _settle(self, client: Client) -> None:
        seen = self.ledger.secrets()
        unused = pending(self.database.path, seen)
        codes = client.codes(seen, unused)
        self.counts["secrets asked for"] += len(seen)
        for secret in unused:
            if codes[secret] == "INSUFFICIENT_SCOPE":
                codes[secret] = "PENDING"
        wrong = self.ledger.wrong(codes)
        assert not wrong, "\n".join(wrong)
        self.ledger.settle(codes)
