"""HTTP below ASGI: header limits, and the parser's errors in the API's error format.

uvicorn reads a request's header without a limit, mixes trailer fields into it, and answers what it
cannot parse in plain text, before earlier pipelined requests. This subclass changes just that; the
tests fail when an upgrade of uvicorn removes what it relies on.
"""

import functools
import logging
import sys
from typing import Any

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from hookstream_keys.domain import ids
from hookstream_keys.domain.errors import (
    ApiError,
    BadRequest,
    HeaderFieldsTooLarge,
    Overloaded,
    RequestTimeout,
    UriTooLong,
)
from hookstream_keys.http.edge import OPTIONAL_WHITE_SPACE
from hookstream_keys.http.responses import REQUEST_ID, error_response
from hookstream_keys.runtime.time_slices import SOCKETS
from hookstream_keys.server.abandoned import AbandonedRequests
from hookstream_keys.server.connections import ConnectionLimit
from hookstream_keys.server.graceful_shutdown import GracefulShutdown
from hookstream_keys.server.half_close import HalfClose
from hookstream_keys.server.slow_clients import TimedProtocol
from hookstream_keys.server.unsent import UnsentLimit
from hookstream_keys.settings import Settings

log = logging.getLogger("hookstream_keys")

#: The size of a header field besides its name and value: a colon, a space, a line end.
FIELD_OVERHEAD = 4
#: How many fields a request's header and trailer have at most: each takes a microsecond, however
#: short. Apache httpd, gunicorn, Envoy, hyper and Python's own client have the same limit.
MAX_FIELDS = 100
#: The size of a request target at most, in bytes: decoding takes up to 0.1 µs for each. Section 4.1
#: of RFC 9110 recommends 8000 at least.
MAX_TARGET = 8192
#: How many requests of a connection wait for earlier ones at most. Parsing them is not charged to
#: a tenant.
MAX_PIPELINED = 64
HEADER = "The request's header"
VERSIONS = ("1.1", "1.0")


@functools.cache
def max_header_bytes() -> int:
    """The limit of a request's target and header together, from the environment."""
    return Settings.from_environment().max_header_bytes


class Protocol(
    HalfClose, GracefulShutdown, ConnectionLimit, UnsentLimit, AbandonedRequests, TimedProtocol
):
    """uvicorn's HTTP/1.1 connection, with a limit on every request's header."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limit = max_header_bytes()
        self._target_limit = min(self._limit, MAX_TARGET)
        self._in_header = False
        self._counted = self._fields = 0
        self._waiting = 0
        self._refusal: ApiError = BadRequest("The request is not valid HTTP/1.1.")
        self._refused = False
        #: The data being parsed, and the head that is to be parsed again.
        self._data = self._once_more = b""

    def reject(self) -> None:
        """Answer 503: the worker has no connection left."""
        self._refusal = Overloaded()
        self.send_400_response("")

    def data_received(self, data: bytes) -> None:
        """Feed the parser. It reports an unfinished field only when complete, so count it here."""
        if self._refused:
            # The end of a request that could not be parsed is unknown.
            return
        SOCKETS.were_read = True
        was_in_header = self._in_header
        self._data = data
        super().data_received(data)
        if was_in_header and self._in_header and not self._refused:
            self._waiting += len(data)
            if self._waiting > self._limit:
                self._refusal = self._too_large()
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """Begin a request; each one on a connection has the whole limit."""
        if len(self.pipeline) >= MAX_PIPELINED:
            # Clients send again what is not answered (RFC 9112, section 9.3.2).
            self.pipeline[0][0].keep_alive = False
            raise self._refusal
        super().on_message_begin()
        self._in_header = True
        self._counted = self._waiting = self._fields = 0

    def on_url(self, url: bytes) -> None:
        """Count a part of the request target."""
        self._counted += len(url)
        if self._counted > self._target_limit:
            self._refusal = UriTooLong(f"The request target is over {self._target_limit} bytes.")
            raise self._refusal
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header field. A trailer field is counted and dropped: it is never used.

        The parser leaves white space behind the value.
        """
        self._counted += len(name) + len(value) + FIELD_OVERHEAD
        self._fields += 1
        if self._counted > self._limit or self._fields > MAX_FIELDS:
            # Raising in a callback stops the parser; `send_400_response` is what follows.
            self._refusal = (
                self._too_large()
                if self._counted > self._limit
                else HeaderFieldsTooLarge(f"{HEADER} has more than {MAX_FIELDS} fields.")
            )
            raise self._refusal
        if self._in_header:
            name, value = name.lower(), value.strip(OPTIONAL_WHITE_SPACE)
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The header is whole, and within the limit.

        A body that is sent after `100 Continue` only, and data for a tunnel, must never be parsed
        as the next request: this one is the connection's last.
        """
        if self.parser.get_http_version() not in VERSIONS or self._is_older_and_chunked():
            raise self._refusal
        is_tunnel = self.parser.get_method() == b"CONNECT"
        if self.parser.should_upgrade() and not is_tunnel:
            self._once_more = self._without_upgrade()
            return
        super().on_headers_complete()
        self._in_header = False
        if self.expect_100_continue or is_tunnel:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """The request is complete, unless it is parsed again."""
        if not self._once_more:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on, or send the error of what followed the request that was answered."""
        is_last = not self.pipeline
        super().on_response_complete()
        if self._refused and is_last and not self.transport.is_closing():
            self._send_refusal()

    def eof_received(self) -> bool:  # type: ignore[override] # see `HalfClose`
        """Answer 400 to a request that the client's end of sending leaves incomplete."""
        if self._in_message and not self._refused:
            self._refusal = BadRequest("The connection ended before the request was complete.")
            self.send_400_response("")
            return True
        return super().eof_received()

    def too_slow(self) -> None:
        """Answer 408 to a request that is incomplete, and close; without a request, just close."""
        if self._in_message:
            self._refusal = RequestTimeout(
                f"The request was not complete within {self._timeout} seconds."
            )
            self.send_400_response("")
        else:
            self.transport.close()

    def send_400_response(self, _: str) -> None:
        """Answer what could not be parsed, after earlier requests, and close."""
        self._refused = True
        has_begun = self._in_message and not self._in_header
        if self.pipeline:
            if has_begun:
                # It waits behind another one, and never begins.
                self.pipeline.popleft()
            return
        cycle = self.cycle
        if has_begun:
            # Its body is not valid, or does not arrive.
            cycle.disconnected = True
            cycle.set()
            if cycle.response_started:
                self.transport.close()
            else:
                self._send_refusal()
        elif cycle is None or cycle.response_complete:
            self._send_refusal()

    def _send_refusal(self) -> None:
        error = self._refusal
        request_id = ids.new("req")
        log.info("request_id=%s method=- path=- status=%d", request_id, error.status)
        of_error, body = error_response(error, request_id)
        headers = [
            *self.server_state.default_headers,
            *of_error,
            (REQUEST_ID, request_id.encode()),
            (b"connection", b"close"),
        ]
        fields = b"".join(b"%s: %s\r\n" % field for field in headers)
        self.transport.write(STATUS_LINE[error.status] + fields + b"\r\n" + body)
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Parse a request with `Upgrade` again, without it.

        RFC 9110, section 7.8, lets a server ignore the field. The parser stops at the header
        instead, and would leave the request without its body.
        """
        stopped = sys.exception()
        head, self._once_more = self._once_more, b""
        if head and isinstance(stopped, HttpParserUpgrade):
            self.parser = HttpRequestParser(self)
            self.data_received(head + self._data[stopped.args[0] :])

    def _without_upgrade(self) -> bytes:
        """The head of this request without `Upgrade`, as the last of its connection."""
        fields = [
            b"%s: %s\r\n" % field
            for field in self.headers
            if field[0] not in (b"connection", b"upgrade")
        ]
        start = b"%s %s HTTP/1.1\r\nConnection: close\r\n" % (self.parser.get_method(), self.url)
        return start + b"".join(fields) + b"\r\n"

    def _is_older_and_chunked(self) -> bool:
        # RFC 9112, section 6.1: a proxy that knows no chunks may see two requests (smuggling).
        return self.parser.get_http_version() == "1.0" and any(
            name == b"transfer-encoding" for name, _ in self.headers
        )

    def _too_large(self) -> ApiError:
        return HeaderFieldsTooLarge(f"{HEADER} is over {self._limit} bytes.")
