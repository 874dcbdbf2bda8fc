"""Half-closed connections: a client that ends its side of one still gets its answers.

uvicorn closes such a connection at once, and with it requests that are being answered. Programs
that send all they have and then end their side, such as `nc -N`, got nothing (RFC 9112, section
9.6, has a server answer what it has received).
"""

from hookstream_keys.server.exchange import ExchangeProtocol


class HalfClose(ExchangeProtocol):
    """uvicorn's connection, which stays open for answers when the client has sent everything."""

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio takes the answer
        """Whether to stay open: the last complete request is answered, then the connection closes.

        A client that is gone has sent the same. It is noticed when the response is written.
        """
        if self.cycle is None or self.cycle.response_complete:
            return False
        self.cycle.keep_alive = False
        return True
