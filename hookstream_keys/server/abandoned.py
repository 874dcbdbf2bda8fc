"""Requests whose client is gone: what still waits is dropped.

A request may wait for its tenant's share of the event loop, for a thread or for the writer. When
the client has reset the connection, its answer reaches no client, so it is cancelled. A write that
has begun completes: the writer asks once, before it begins.

A client that only ends its side of the connection may still read (`half_close`). TCP does not tell
whether it does, so its requests are answered.
"""

from hookstream_keys.server.exchange import ExchangeProtocol


class AbandonedRequests(ExchangeProtocol):
    """uvicorn's connection, whose request is cancelled when its client resets it."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the request, unless this server has closed the connection."""
        super().connection_lost(exc)
        exchange = self._answering
        if exc is None or exchange is None or exchange.task is None:
            return
        # One whose body is incomplete learns of it when it reads on.
        if not exchange.more_body and not exchange.response_started:
            exchange.task.cancel()
