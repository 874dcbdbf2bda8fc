"""What becomes of a connection when the server stops: every request that was sent is answered."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: So long a connection on which nothing was asked is kept for a last request, in seconds, when
#: the server stops. A client that asks at that moment cannot know yet, and were the connection
#: closed before its request is read, it would be reset, and the request be lost.
LAST_REQUEST_SECONDS = 1.0


class GracefulShutdown(HttpToolsProtocol):
    """uvicorn's connection, which does not close on a client that is about to ask."""

    stopping = False

    def shutdown(self) -> None:
        """Answer what is asked by now, or asked soon, and close with that answer."""
        self.stopping = True
        if self.cycle is not None and not self.cycle.response_complete:
            super().shutdown()
            return
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            LAST_REQUEST_SECONDS, self.timeout_keep_alive_handler
        )

    def on_headers_complete(self) -> None:
        """A request begins; while the server stops it is the connection's last."""
        super().on_headers_complete()
        if self.stopping:
            self.cycle.keep_alive = False
