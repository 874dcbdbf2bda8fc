"""Answers of a sandbox: the application's, held back so that a fault can replace or damage them."""

from datetime import datetime
from email.utils import format_datetime
from typing import Self

from starlette.types import Message, Receive, Scope, Send

from hookstream_keys.domain.errors import ApiError
from hookstream_keys.http.responses import NO_SNIFFING, REQUEST_ID, error_response
from hookstream_keys.sandbox.faults import PROXY_PAGES, Fault, FaultError

#: The connection's transport in the ASGI scope.
TRANSPORT = "hookstream_keys.sandbox.transport"


class Answer:
    """A response that is sent later. `date` is the sandbox's time."""

    def __init__(self, date: datetime) -> None:
        self.status = 0
        self.body = b""
        # uvicorn would send the real time, so that no two answers were the same.
        self._headers = [(b"date", format_datetime(date, usegmt=True).encode())]

    @classmethod
    def of_error(cls, error: ApiError, date: datetime, request_id: str) -> Self:
        """The answer with an error, in the API's format."""
        answer = cls(date)
        headers, answer.body = error_response(error, request_id)
        answer.status = error.status
        answer._headers += [*headers, NO_SNIFFING, (REQUEST_ID, request_id.encode())]
        return answer

    @classmethod
    def of_fault(cls, fault: Fault, date: datetime, request_id: str) -> Self | None:
        """The answer that a fault gives, or None where it drops the connection."""
        if fault.status is None:
            return None
        page = PROXY_PAGES.get(fault.status)
        if page is None:
            return cls.of_error(FaultError(fault.status, fault.retry_after), date, request_id)
        answer = cls(date)
        answer.status, answer.body = fault.status, page
        answer._headers += [
            (b"content-type", b"text/html"),
            (b"content-length", b"%d" % len(page)),
        ]
        if fault.retry_after is not None:
            answer._headers.append((b"retry-after", b"%d" % fault.retry_after))
        return answer

    async def receive(self, message: Message) -> None:
        """Take an ASGI message that the application sends."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._headers += message["headers"]
        else:
            self.body += message.get("body", b"")

    async def send(self, send: Send) -> None:
        """Send it whole."""
        await self.begin(send)
        await send({"type": "http.response.body", "body": self.body})

    async def begin(self, send: Send) -> None:
        """Send the status and the header."""
        await send({"type": "http.response.start", "status": self.status, "headers": self._headers})

    def cut(self) -> None:
        """Leave out the second half of the body, so that it is no JSON; the length is right."""
        self.body = self.body[: len(self.body) // 2]
        self._headers = [
            (name, b"%d" % len(self.body) if name == b"content-length" else value)
            for name, value in self._headers
        ]


async def send_answer(
    answer: Answer, fault: Fault | None, scope: Scope, receive: Receive, send: Send
) -> None:
    """Send an answer, damaged as a fault says; one without a body is not sent at all."""
    damaged = fault is not None and (fault.truncate or fault.malformed)
    if damaged and (not answer.body or scope["method"] == "HEAD"):
        await drop_connection(scope, receive)
        return
    if fault is not None and fault.truncate:
        await answer.begin(send)
        half = answer.body[: len(answer.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        scope[TRANSPORT].close()
        await _closed(receive)
        return
    if fault is not None and fault.malformed:
        answer.cut()
    await answer.send(send)


async def drop_connection(scope: Scope, receive: Receive) -> None:
    """Close the connection without an answer."""
    scope[TRANSPORT].close()
    await _closed(receive)


async def _closed(receive: Receive) -> None:
    """Wait until the server knows that the connection is closed: it then expects no answer."""
    while (await receive())["type"] != "http.disconnect":
        pass
