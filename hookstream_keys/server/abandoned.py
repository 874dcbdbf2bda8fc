"""Requests whose client is gone: what still waits is dropped.

A request may wait for its tenant's share of the event loop, for a thread or for the writer. When
the client has reset the connection, its answer reaches no client, so it is cancelled. A write that
has begun completes: the writer asks once, before it begins.

A client that only ends its side of the connection may still read (`half_close`). TCP does not tell
whether it does, so its requests are answered.
"""

import asyncio
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


class AbandonedRequests(HttpToolsProtocol):
    """uvicorn's connection, whose request is cancelled when its client resets it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: The latest request that has begun, and the task that answers it.
        self._begun: tuple[RequestResponseCycle, asyncio.Task[Any] | None] | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the request, unless this server has closed the connection."""
        super().connection_lost(exc)
        if exc is None or self._begun is None:
            return
        cycle, task = self._begun
        # One whose body is incomplete learns of it when it reads on.
        if task is not None and not cycle.more_body and not cycle.response_started:
            task.cancel()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, self._abandonable(cycle, app))

    def _abandonable(self, cycle: RequestResponseCycle, app: Any) -> Any:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            self._begun = cycle, asyncio.current_task()
            try:
                await app(scope, receive, send)
            except asyncio.CancelledError:
                # uvicorn would take it for a failure of the application.
                if not cycle.disconnected:
                    raise

        return answer
