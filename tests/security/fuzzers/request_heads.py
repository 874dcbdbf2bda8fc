"""`server/protocol.py`: a request's head has a limit, in however many pieces it comes."""

from typing import Any

import uvicorn
from support.transports import Transport
from uvicorn.server import ServerState

from hookstream_keys.server import protocol

#: Small, so that a fuzzer finds it.
LIMIT = 160


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Nothing: requests are counted, not answered."""


class _Task:
    def add_done_callback(self, _: Any) -> None:
        """It is never done."""


class _Loop:
    """An event loop that runs nothing, and keeps what it was given."""

    def create_task(self, coroutine: Any, **_: Any) -> _Task:
        coroutine.close()
        return _Task()

    def call_later(self, *_: Any) -> None:
        """Nothing comes later."""

    def time(self) -> float:
        """No time passes."""
        return 0.0


class _Recording(protocol.Protocol):
    """The server's own, which also keeps the head of every request that it takes."""

    def __init__(self) -> None:
        super().__init__(_CONFIG, ServerState(), {}, _Loop())
        self.heads: list[list[bytes]] = []
        self.ended = False

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        # A request to upgrade is read once more, as one that is not; and after the connection's
        # last nothing is.
        if self._once_more or self.ended:
            return
        self.ended = not self.cycle.keep_alive
        fields = (name + value for name, value in self.scope["headers"])
        self.heads.append([self.scope["raw_path"], *fields])

    def refusal(self) -> int | None:
        """The status that what could not be read is answered with, now or in its turn."""
        return self._refusal.status if self._refused else None


protocol.max_header_bytes = lambda: LIMIT  # type: ignore[assignment]
_CONFIG = uvicorn.Config(_app, ws="none", log_config=None, proxy_headers=False)
_CONFIG.load()


def check(data: bytes) -> None:
    """The first byte says how large the pieces are in which the rest arrives."""
    size, sent = 1 + data[0] % 64 if data else 1, data[1:]
    whole, pieces = _heads(sent, len(sent) or 1), _heads(sent, size)
    for heads, status in (whole, pieces):
        assert status in (None, 400, 414, 431), sent
        for head in heads:
            assert sum(map(len, head)) <= LIMIT, sent
    # What came in pieces is what came whole; only too large it may be found a little earlier.
    if whole[1] not in (414, 431) and pieces[1] not in (414, 431):
        assert whole == pieces, sent
    else:
        count = min(len(whole[0]), len(pieces[0]))
        assert whole[0][:count] == pieces[0][:count], sent


def _heads(sent: bytes, size: int) -> tuple[list[list[bytes]], int | None]:
    """The heads of the requests that were taken, and the status of the refusal, if there is one."""
    transport, connection = Transport(), _Recording()
    connection.connection_made(transport)
    for start in range(0, len(sent), size):
        connection.data_received(sent[start : start + size])
        if connection.ended:
            break
        if transport.closed:
            assert transport.written.startswith(b"HTTP/1.1 %d" % (connection.refusal() or 0))
            break
    return connection.heads, None if connection.ended else connection.refusal()
