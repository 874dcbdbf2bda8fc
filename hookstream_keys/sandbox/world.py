"""A world of the sandbox: the real application with its own data, clock, faults and recorder."""

import asyncio
import dataclasses
import shutil
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hookstream_keys.app import Application, assemble
from hookstream_keys.contract import spec
from hookstream_keys.contract.routes import Routes
from hookstream_keys.domain import ids, timestamps
from hookstream_keys.domain.alphanumeric import alphanumeric
from hookstream_keys.domain.errors import Detail, Overloaded
from hookstream_keys.domain.limits import Limit
from hookstream_keys.domain.sources import Random, Sources
from hookstream_keys.http.body_reader import DRAIN_BYTES
from hookstream_keys.runtime import rate_limit_names
from hookstream_keys.sandbox import request_check
from hookstream_keys.sandbox.answers import Answer, drop_connection, send_answer
from hookstream_keys.sandbox.clock import Clock
from hookstream_keys.sandbox.clock import Mode as ClockMode
from hookstream_keys.sandbox.faults import Fault, Faults
from hookstream_keys.sandbox.gate import Gate
from hookstream_keys.sandbox.guard import refusal
from hookstream_keys.sandbox.randomness import Streams
from hookstream_keys.sandbox.recorder import RecordedRequest, Recorder
from hookstream_keys.sandbox.resources import Owner, Resources
from hookstream_keys.sandbox.seed import LIMIT, seed
from hookstream_keys.settings import SECRET_LENGTH, Settings
from hookstream_keys.store import Snapshot, database_path, open_sandbox_store

Result = TypeVar("Result")

#: The prefix of what the world's base URL and control URL have after the host.
PREFIX = "/tenants/"


class World:
    """The application with what `seed` makes, in a folder of its own in `directory`.

    `name` is a tenant's, or "" for the sandbox's own world. `origin` is the sandbox's, such as
    `http://127.0.0.1:8080`. Of the `settings`, database and signing secret are the world's own.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        directory: Path,
        *,
        origin: str,
        number: int,
        start: datetime,
        mode: ClockMode = "frozen",
    ) -> None:
        self.name = name
        self._start, self._mode = start, mode
        self.clock = Clock(start, mode)
        self.streams = Streams(number, name)
        self.faults = Faults()
        self.recorder = Recorder()
        # A tenant's name may be any, also that of the sandbox's own folder.
        self._folder = directory / (f"tenant-{name}" if name else "own")
        self._folder.mkdir()
        place = f"{origin}{PREFIX}{name}" if name else origin
        settings = dataclasses.replace(
            settings,
            # So that the document's code samples work as they are printed.
            public_url=place,
            database=f"sqlite:///{self._folder / 'sandbox.db'}",
            auth_secret=alphanumeric(SECRET_LENGTH, self.streams.stream("auth secret")),
            auth_secrets=(),
        )
        self.application: Application = assemble(settings, self._sources(), open_sandbox_store)
        self._routes = Routes(spec.document())
        seeded = seed(self.application, self.clock, self.streams)
        self.owner: Owner = seeded.owner
        self.other_owner: Owner = seeded.other
        self.facts: dict[str, Any] = {
            "base_url": place + spec.base_path(spec.document()),
            "control_url": f"{place}/_sandbox",
            "now": timestamps.to_text(start),
            **seeded.facts,
            "auth_secret": settings.auth_secret,
        }
        self._run_periodic_tasks()
        self._snapshot = Snapshot(database_path(settings.database))
        self._restart()
        self._gate = Gate()

    def start(self) -> None:
        """Begin to serve, on the event loop's thread."""
        self.application.start()

    async def stop(self) -> None:
        """Finish all writes, and delete what the world has."""
        await self.application.stop()
        self._snapshot.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def interrupt(self) -> None:
        """Drop the requests that faults delay, since the sandbox stops."""
        self._gate.interrupt()

    async def delete(self) -> None:
        """Stop when no request is in progress. Requests that arrive meanwhile get no answer."""
        async with self._gate.closed():
            self._gate.is_deleted = True
            await asyncio.to_thread(self.application.store.run, self.stop())

    def resources(self, owner: Owner | None = None, purpose: str = "resources") -> Resources:
        """Makes resources now, of the owner or another one."""
        random = self.streams.stream(purpose)
        return Resources(self.application, owner or self.owner, self.clock.now(), random)

    async def write(self, job: Callable[[], Result]) -> Result:
        """What `job` returns, on the writer's thread, in a transaction; not during a reset."""
        await self._gate.opened()
        with self._gate.inside():
            return await self._in_writer(job)

    async def reset(self) -> None:
        """Put everything back as it was at the start, when no request is in progress."""
        async with self._gate.closed():
            self.clock = Clock(self._start, self._mode)
            # What was counted in memory belongs to the time before.
            await self._in_writer(self._run_final_tasks)
            self._snapshot.restore()
            self.faults.clear()
            self.recorder.clear()
            self._restart()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request to the API, whose path begins with the document's base path."""
        body = RequestBody(receive)
        limit = self.application.settings.max_body_bytes
        # A client that asks first (100 Continue) is told that its body is too large, unread.
        too_large = _asks_first(scope) and _declared_length(scope) > limit
        content = b"" if too_large else await body.read(limit)
        generation = await self._gate.opened()
        if self._gate.is_deleted:
            await drop_connection(scope, receive)
            return
        recorded = self._record(scope, content[:limit])
        if too_large or len(content) > limit:
            recorded.problems = [Detail("body", f"is larger than {limit} bytes")]
        fault = self.faults.take(recorded.operation)
        recorded.fault = fault is not None
        if fault is not None and fault.delay_ms:
            await self._gate.pause(fault.delay_ms / 1000)
        answer = None
        if self._gate.generation == generation:
            self.streams.begin_request(recorded.operation or "unknown")
            answer = await self._answer(scope, body.replay, recorded, fault)
        # A request that a reset found delayed has no effect on what follows.
        if answer is None:
            await drop_connection(scope, receive)
            return
        recorded.status = answer.status
        await send_answer(answer, fault, scope, receive, send)

    def _record(self, scope: Scope, body: bytes) -> RecordedRequest:
        operation = self._operation(scope)
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            # Of several of one name the API reads the first.
            headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
        recorded = self.recorder.begin(
            at=timestamps.to_text(self.clock.now()),
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            operation=operation.id if operation else None,
            headers=headers,
            body=body,
        )
        recorded.problems = request_check.problems(
            operation, scope["path"], scope["query_string"], headers, body
        )
        return recorded

    async def _answer(
        self, scope: Scope, receive: Receive, recorded: RecordedRequest, fault: Fault | None
    ) -> Answer | None:
        """The answer to a request, or None when its connection is to be dropped."""
        date = self.clock.now()
        if fault is not None and fault.replaces_answer and fault.is_before:
            return Answer.of_fault(fault, date, self._request_id())
        refused = refusal(self.facts, recorded)
        if refused is not None:
            return Answer.of_error(refused, date, self._request_id())
        answer = Answer(date)
        try:
            await self._run(self.application.asgi, scope, receive, answer.receive)
        except Overloaded as error:
            return Answer.of_error(error, date, self._request_id())
        if fault is not None and fault.replaces_answer and not (fault.truncate or fault.malformed):
            return Answer.of_fault(fault, date, self._request_id())
        return answer

    async def _run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        with self._gate.inside():
            # What earlier requests have counted shows in this one's answer, at any speed.
            await self._in_writer(self._run_periodic_tasks)
            await app(scope, receive, send)

    async def _in_writer(self, job: Callable[[], Result]) -> Result:
        async def run() -> Result:
            return job()

        return await self.application.writer.run(run)

    def _request_id(self) -> str:
        """The ID of a request that the application does not get."""
        return ids.new("req", self.streams.current())

    def _restart(self) -> None:
        """Begin what is not in the database as at the start."""
        self.streams.reset()
        counters = self.application.counters
        self.application.store.run(counters.clear())
        key_id = self.facts["keys"]["rate_limited"]["id"]
        self.resources().use_up(rate_limit_names.of_key(key_id), Limit(*LIMIT.values()))

    def _run_periodic_tasks(self) -> None:
        """Write what was counted, and prune what is over at the clock's time."""
        for task in self.application.periodic_tasks:
            while self.application.store.run(task()):
                pass

    def _run_final_tasks(self) -> None:
        self._run_periodic_tasks()
        for task in self.application.final_tasks:
            self.application.store.run(task())

    def _operation(self, scope: Scope) -> spec.Operation | None:
        route = self._routes.find(scope["path"], scope.get("raw_path", b""))
        if route is None:
            return None
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        return route.operations.get(method)

    def _sources(self) -> Sources:
        """The world's clock, also after a reset, and its streams of random bytes."""

        def now() -> datetime:
            return self.clock.now()

        def monotonic_ns() -> int:
            return self.clock.monotonic_ns()

        def random() -> Random:
            return self.streams.current()

        return Sources(now, monotonic_ns, random)


def _asks_first(scope: Scope) -> bool:
    """Whether the client sends its body only after `100 Continue`."""
    return any(name == b"expect" for name, _ in scope["headers"])


def _declared_length(scope: Scope) -> int:
    """The body's length by the header; 0 where it says none."""
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(declared) if declared.isdigit() else 0


class RequestBody:
    """The body of a request, which can be read before the application reads it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._messages: deque[Message] = deque()

    async def read(self, limit: int) -> bytes:
        """The body; of one that is longer than the limit, more bytes than that.

        What the application would discard is read as well: a client that stalls delays no reset.
        """
        body = b""
        more = True
        while more and len(body) <= limit + DRAIN_BYTES:
            message = await self._receive()
            self._messages.append(message)
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return body

    async def replay(self) -> Message:
        """The messages that were read, then those that follow."""
        return self._messages.popleft() if self._messages else await self._receive()
