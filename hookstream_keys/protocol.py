"""HTTP below ASGI: header limits, and the HTTP parser's refusals in the one error shape.

uvicorn reads a request's header without a limit, mixes trailer fields into it,
and answers what it cannot parse in plain text. This subclass changes just that;
the tests fail when an upgrade of uvicorn takes away what it relies on.
"""

import functools
import logging
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from hookstream_keys import ids
from hookstream_keys.errors import ApiError, BadRequest, HeaderFieldsTooLarge, UriTooLong
from hookstream_keys.settings import Settings

log = logging.getLogger("hookstream_keys")

#: What a header field takes besides its name and value: a colon, a space, a line end.
FIELD_OVERHEAD = 4
HEADER = "The request's header"


@functools.cache
def max_header_bytes() -> int:
    """The limit that the environment sets for a request's target and header together."""
    return Settings.from_environment().max_header_bytes


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 over one connection, with a limit on every request's header."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limit = max_header_bytes()
        self._in_header = False
        self._counted = 0
        self._waiting = 0
        self._refusal: ApiError = BadRequest("The request is not valid HTTP/1.1.")

    def data_received(self, data: bytes) -> None:
        """Feed the parser. It keeps an unfinished field to itself, so that is counted here."""
        was_in_header = self._in_header
        super().data_received(data)
        if was_in_header and self._in_header:
            self._waiting += len(data)
            if self._waiting > self._limit:
                self._refusal = self._over(HeaderFieldsTooLarge, HEADER)
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """A request begins; each one on a connection has the whole limit."""
        super().on_message_begin()
        self._in_header = True
        self._counted = self._waiting = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request target."""
        self._count(len(url), UriTooLong, "The request target")
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field. A trailer field is counted and dropped: nothing here reads any."""
        self._count(len(name) + len(value) + FIELD_OVERHEAD, HeaderFieldsTooLarge, HEADER)
        if self._in_header:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The header is whole, and within the limit."""
        self._in_header = False
        super().on_headers_complete()
        if self.parser.should_upgrade():
            # Nothing here upgrades, but the parser drops what came with such a request: closing
            # tells the client that what it sent after it was not taken.
            self.cycle.keep_alive = False

    def send_400_response(self, _: str) -> None:
        """Answer what never became a request, and close."""
        error = self._refusal
        request_id = ids.new("req")
        log.info("request_id=%s method=- path=- status=%d", request_id, error.status)
        body = orjson.dumps(error.body(request_id))
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
        ]
        fields = b"".join(b"%s: %s\r\n" % field for field in headers)
        self.transport.write(STATUS_LINE[error.status] + fields + b"\r\n" + body)
        self.transport.close()

    def _count(self, size: int, error: type[ApiError], what: str) -> None:
        self._counted += size
        if self._counted > self._limit:
            # Raising in a callback stops the parser; `send_400_response` is what follows.
            self._refusal = self._over(error, what)
            raise self._refusal

    def _over(self, error: type[ApiError], what: str) -> ApiError:
        return error(f"{what} is over {self._limit} bytes.")
