"""Requests and responses on a connection: the bytes that are sent are uvicorn's own.

Pipelined requests in pieces, answered in ways that applications may, and some that they must not.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send
from support.transports import Transport
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from hookstream_keys.server.exchange import ExchangeProtocol

#: Field names and values of responses: some that the server reads, and some that are not valid.
FIELDS = st.sampled_from(
    [
        (b"content-type", b"application/json"),
        (b"X-Request-Id", b"req_1"),
        (b"connection", b"close"),
        (b"Connection", b"x, Close"),
        (b"connection", b"keep-alive"),
        (b"transfer-encoding", b"chunked"),
        (b"x-tab", b"a\tb"),
        (b"x-bad", b"a\r\nb: c"),
        (b"bad name", b"x"),
    ]
)


@dataclass
class Response:
    """What an application sends; `length` is what it says of the body, if anything."""

    status: int
    fields: list[tuple[bytes, bytes]]
    pieces: list[bytes]
    length: int | None
    waits: bool
    fails_after: int | None

    @property
    def fails_late(self) -> bool:
        """Whether it is found to be invalid behind its head: 204 and 304 have no content."""
        has_content = self.status in (204, 304) and self.length is None and any(self.pieces)
        return self.fails_after is not None or has_content


responses = st.builds(
    lambda status, fields, pieces, off, has_length, waits, fails_after: Response(
        status, fields, pieces, sum(map(len, pieces)) + off if has_length else None, waits,
        fails_after,
    ),
    st.sampled_from([200, 201, 204, 304, 404, 500]),
    st.lists(FIELDS, max_size=3),
    st.lists(st.binary(max_size=20), min_size=1, max_size=3),
    st.sampled_from([0, 0, 0, 0, 1]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, None, None, None, 1]),
)  # fmt: skip

requests = st.builds(
    lambda method, version, path, fields, body, is_chunked: _request(
        method, version, path, fields, body, is_chunked=is_chunked
    ),
    st.sampled_from([b"GET", b"HEAD", b"POST", b"DELETE"]),
    st.sampled_from([b"1.1", b"1.1", b"1.1", b"1.0"]),
    st.sampled_from([b"/", b"/a%20b?c=d", b"/v1/auth/authorize"]),
    st.lists(
        st.sampled_from([b"Connection: close", b"Connection: keep-alive", b"X-API-Key: k"]),
        max_size=2,
    ),
    st.binary(max_size=30),
    st.booleans(),
)


def _request(
    method: bytes,
    version: bytes,
    path: bytes,
    fields: list[bytes],
    body: bytes,
    *,
    is_chunked: bool,
) -> bytes:
    lines = [b"%s %s HTTP/%s" % (method, path, version), b"Host: t", *fields]
    if not body:
        content = b""
    elif is_chunked and version == b"1.1":
        lines.append(b"Transfer-Encoding: chunked")
        content = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    else:
        lines.append(b"Content-Length: %d" % len(body))
        content = body
    return b"\r\n".join(lines) + b"\r\n\r\n" + content


@dataclass
class Application:
    """Answers each request by the next of the responses."""

    responses: Sequence[Response]
    #: What it was asked: methods, targets and bodies.
    asked: list[tuple[object, ...]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = self.responses[len(self.asked) % len(self.responses)]
        what = (scope["method"], scope["http_version"], scope["raw_path"], scope["query_string"])
        asked = [*what, scope["path"], tuple(scope["headers"]), b""]
        self.asked.append(())
        place = len(self.asked) - 1
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
        self.asked[place] = (*asked, body)
        if response.waits:
            await asyncio.sleep(0)
        for number, message in enumerate(_messages(response)):
            if number == response.fails_after:
                raise ZeroDivisionError
            await send(message)


def _messages(response: Response) -> list[Message]:
    fields = list(response.fields)
    if response.length is not None:
        fields.append((b"content-length", b"%d" % response.length))
    last = len(response.pieces) - 1
    return [
        {"type": "http.response.start", "status": response.status, "headers": fields},
        *(
            {"type": "http.response.body", "body": piece, "more_body": number < last}
            for number, piece in enumerate(response.pieces)
        ),
    ]


def serve(
    protocol: type[HttpToolsProtocol], pieces: list[bytes], application: Application
) -> tuple[bytes, bool]:
    """What is sent in response to these pieces, and whether the connection is closed then."""

    async def main() -> tuple[bytes, bool]:
        config = uvicorn.Config(
            application, http=protocol, ws="none", log_config=None, access_log=False
        )
        config.load()
        state, transport = ServerState(), Transport()
        connection = protocol(config=config, server_state=state, app_state={})
        connection.connection_made(transport)
        for piece in pieces:
            if not transport.is_closing():
                connection.data_received(piece)
            await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        # The timer of an idle connection, and exchanges whose request is incomplete.
        connection.connection_lost(None)
        await asyncio.gather(*state.tasks)
        return transport.written, transport.closed

    return asyncio.run(main())


@given(
    st.lists(requests, min_size=1, max_size=4),
    st.lists(responses, min_size=1, max_size=4),
    st.lists(st.integers(min_value=1, max_value=40), max_size=12),
)
def test_the_bytes_are_those_of_uvicorn(
    sent: list[bytes], answers: list[Response], sizes: list[int]
) -> None:
    logging.disable(logging.CRITICAL)
    try:
        data, pieces = b"".join(sent), []
        for size in sizes:
            pieces.append(data[:size])
            data = data[size:]
        pieces = [piece for piece in (*pieces, data) if piece]
        expected = Application(answers)
        bytes_expected = serve(HttpToolsProtocol, pieces, expected)
        found = Application(answers)
        bytes_found = serve(ExchangeProtocol, pieces, found)
    finally:
        logging.disable(logging.NOTSET)
    assert found.asked == expected.asked
    if any(answer.fails_late for answer in answers):
        # Of a response that fails after its head, nothing is sent: uvicorn has sent the head.
        assert bytes_expected[0].startswith(bytes_found[0])
        assert bytes_found[1] == bytes_expected[1]
    else:
        assert bytes_found == bytes_expected
