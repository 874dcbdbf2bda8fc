"""Graceful shutdown of a connection: every request that was sent is answered."""

from hookstream_keys.server.exchange import ExchangeProtocol

#: How long an idle connection stays open for a last request when the server stops, in seconds. If
#: it were closed while a request is on its way, it would be reset, and the request be lost.
LAST_REQUEST_SECONDS = 1.0


class GracefulShutdown(ExchangeProtocol):
    """uvicorn's connection, which does not close while a request may be on its way."""

    stopping = False

    def shutdown(self) -> None:
        """Answer the request in flight, or one that arrives soon, and close after it."""
        self.stopping = True
        if self.cycle is not None and not self.cycle.response_complete:
            super().shutdown()
            return
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            LAST_REQUEST_SECONDS, self.timeout_keep_alive_handler
        )

    def on_headers_complete(self) -> None:
        """Begin a request; while the server stops it is the connection's last."""
        super().on_headers_complete()
        if self.stopping:
            self.cycle.keep_alive = False
