"""A service that needs keys, behind a proxy: WSGI shows what it got, WebSocket sends it back."""

import json
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from threading import Thread
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

#: Where the handler leaves the header fields for the application, as they were spelled.
SPELLED = "test.fields"


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Answer with the environment that WSGI makes of a request, and its fields as they came."""
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    shown = {name: value for name, value in environ.items() if isinstance(value, str)}
    body = json.dumps({"environ": shown, "fields": environ[SPELLED]}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


class Handler(WSGIRequestHandler):
    """Requests go to the application; a WebSocket handshake begins an echo."""

    def parse_request(self) -> bool:
        """Read the request; returns whether there is one for WSGI."""
        if not super().parse_request():
            return False
        if self.headers.get("Upgrade", "").lower() != "websocket":
            return True
        self._echo()
        return False

    def get_environ(self) -> "WSGIEnvironment":
        """The environment of wsgiref, and the fields."""
        return {**super().get_environ(), SPELLED: self.headers.items()}

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing."""

    def _echo(self) -> None:
        """Send the fields of the handshake, then each message that comes."""
        fields = self.headers.items()
        protocol = ServerProtocol()
        protocol.receive_data(Request(self.path, Headers(fields)).serialize())
        (handshake,) = protocol.events_received()
        assert isinstance(handshake, Request)
        protocol.send_response(protocol.accept(handshake))
        protocol.send_text(json.dumps(fields).encode())
        self.connection.sendall(b"".join(protocol.data_to_send()))
        while data := self._received():
            protocol.receive_data(data)
            for event in protocol.events_received():
                if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    protocol.send_text(bytes(event.data))
            self.connection.sendall(b"".join(protocol.data_to_send()))
            if protocol.close_expected():
                return

    def _received(self) -> bytes:
        try:
            data: bytes = self.connection.recv(65536)
        except ConnectionResetError:
            return b""
        return data


class Service(ThreadingMixIn, WSGIServer):
    """A thread for each connection; an echo does not keep the test from its end."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without asking for the host's name."""
        socket.socket.bind(self.socket, self.server_address)
        self.server_name, self.server_port = self.socket.getsockname()
        self.server_address = self.socket.getsockname()
        self.setup_environ()


@contextmanager
def running_service() -> Iterator[int]:
    """Run the service until the block ends; yields its port."""
    with Service(("127.0.0.1", 0), Handler) as server:
        server.set_app(application)
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
