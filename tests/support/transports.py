"""A connection without a network."""

import asyncio


class Transport(asyncio.Transport):
    """Keeps what is written; nothing is after it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.closed:
            self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        """Nothing: everything is sent at once."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """No buffer has any."""

    def pause_reading(self) -> None:
        """Everything was sent already."""

    def resume_reading(self) -> None:
        """The same."""
