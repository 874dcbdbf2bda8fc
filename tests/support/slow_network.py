"""A network between a node and its database that a test can make slow, or cut."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: The name that PostgreSQL's clients look for in the folder of a Unix socket.
_SOCKET = ".s.PGSQL.5432"
_CHUNK = 65_536


class SlowNetwork:
    """Forwards connections to the server in a folder; each direction takes `delay` seconds."""

    def __init__(self, server: Path, folder: Path) -> None:
        self.folder = folder
        #: How long each piece is under way, in seconds.
        self.delay = 0.0
        self._server = server / _SOCKET
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Close all connections, whatever is under way in them."""
        self._loop.call_soon_threadsafe(self._close_all)

    def _close_all(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(str(self._server))
        self._open |= {writer, server_writer}
        try:
            # The task ends without an error, which its caller would report.
            with suppress(asyncio.CancelledError):
                await asyncio.gather(
                    self._pass(reader, server_writer), self._pass(server_reader, writer)
                )
        finally:
            self._open -= {writer, server_writer}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction: pieces are under way at the same time, and keep their order."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                arrives_at, piece = await under_way.get()
                await asyncio.sleep(max(0.0, arrives_at - self._loop.time()))
                if not piece:
                    return
                writer.write(piece)

        delivering = self._loop.create_task(deliver())
        with suppress(OSError):
            while piece := await reader.read(_CHUNK):
                under_way.put_nowait((self._loop.time() + self.delay, piece))
        under_way.put_nowait((self._loop.time(), b""))
        await delivering
        writer.transport.abort()

    def _serve(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        path = str(self.folder / _SOCKET)
        server = self._loop.run_until_complete(asyncio.start_unix_server(self._forward, path))
        started.set()
        self._loop.run_forever()
        server.close()
        self._close_all()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    @contextmanager
    def running(self) -> Iterator["SlowNetwork"]:
        """It forwards while the block runs."""
        started = threading.Event()
        thread = threading.Thread(target=self._serve, args=(started,))
        thread.start()
        assert started.wait(10)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
