"""Request bodies: at most one of a declared media type, complete and within the limit."""

import re

from starlette.types import Message, Receive

from hookstream_keys.context.request import Request
from hookstream_keys.contract import spec
from hookstream_keys.domain.errors import (
    BadRequest,
    ContentTooLarge,
    Detail,
    UnsupportedMediaType,
)

#: How many bytes of a body over the limit are read and discarded before the answer: closing with
#: unread bytes resets the connection, and the client never sees the 413.
DRAIN_BYTES = 8 * 1024 * 1024

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^";\s]*)', re.IGNORECASE)


class BodyReader:
    """Reads bodies of at most `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    async def read(self, request: Request, operation: spec.Operation, receive: Receive) -> bytes:
        """The complete body, where the operation takes one, of an accepted media type.

        Raises BadRequest, ContentTooLarge or UnsupportedMediaType.
        """
        declared = request.headers.get(b"content-length", b"0")
        if not declared.isdigit():
            raise BadRequest(
                "The request's header fields are not valid.",
                details=[Detail("header/content-length", "is not a number")],
            )
        length = int(declared)
        if length > self._max_bytes:
            if expects_continue(request):
                # The client waits for an answer before it sends anything (RFC 9110, 10.1.1).
                raise self._too_large()
            raise await self._drain(receive, 0, more=True)
        body = b""
        coding = request.headers.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            raise BadRequest(
                "The request's header fields are not valid.",
                details=[Detail("header/transfer-encoding", "is not chunked, and nothing else")],
            )
        if length or coding is not None:
            body = await self._read(receive)
        if not operation.consumes:
            # The operation takes no body, so it is not parsed.
            return b""
        if body:
            if b"content-encoding" in request.headers:
                _check_coding(request.headers[b"content-encoding"])
            _check_media_type(request.headers.get(b"content-type"), operation)
        return body

    async def _read(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("The connection closed before the body was complete.")
            chunk = message.get("body", b"")
            size += len(chunk)
            more = message.get("more_body", False)
            if size > self._max_bytes:
                raise await self._drain(receive, size, more=more)
            chunks.append(chunk)
            if not more:
                return b"".join(chunks)

    async def _drain(self, receive: Receive, seen: int, *, more: bool) -> ContentTooLarge:
        # Without more of it, the next message comes when the client closes the connection.
        while more and seen <= DRAIN_BYTES:
            message = await receive()
            seen += len(message.get("body", b""))
            more = message.get("more_body", False)
        return self._too_large()

    def _too_large(self) -> ContentTooLarge:
        return ContentTooLarge(
            f"The request body is larger than {self._max_bytes} bytes.",
            details=[Detail("body", f"is larger than {self._max_bytes} bytes")],
            headers={"Connection": "close"},
        )


def expects_continue(request: Request) -> bool:
    """Whether the client sends its body only when it is asked for it: at the first `receive`."""
    return request.headers.get(b"expect", b"").lower() == b"100-continue"


def _check_coding(given: bytes) -> None:
    """Refuse a compressed body: a few bytes could become many. Raises UnsupportedMediaType."""
    if given.lower() != b"identity":
        raise UnsupportedMediaType(
            "Send the body without Content-Encoding: compressed bodies are not accepted.",
            details=[Detail("header/content-encoding", "is not identity")],
            # RFC 9110, section 15.5.16.
            headers={"Accept-Encoding": "identity"},
        )


def _check_media_type(given: bytes | None, operation: spec.Operation) -> None:
    """Refuse a body of another media type than the operation's. Raises UnsupportedMediaType."""
    if given in operation.consumed:
        return
    text = (given or b"").decode("latin-1")
    name = text.partition(";")[0].strip().lower()
    charset = _CHARSET.search(text)
    is_utf_8 = charset is None or charset[1].lower() in ("utf-8", "utf8")
    if name not in operation.consumes or not is_utf_8:
        raise UnsupportedMediaType(
            f"Send the body as {' or '.join(operation.consumes)}, in UTF-8.",
            details=[Detail("header/content-type", "is missing or not accepted here")],
        )


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body as one message, then what the client sends."""
    pending = True

    async def replayed() -> Message:
        nonlocal pending
        if pending:
            pending = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replayed
