import socket
import sys
from contextlib import closing

import pytest

from hookstream_keys.server import listening


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such filters")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connected_clients_are_accepted_and_new_syns_are_dropped(host: str) -> None:
    try:
        listener = listening.bind(host, 0)
    except listening.BindError:
        pytest.skip("this machine has no IPv6 loopback")
    with closing(listener):
        listener.listen()
        with socket.create_connection(listener.getsockname()[:2], timeout=5) as early:
            listening.drop_new_syns(listener)
            with pytest.raises(TimeoutError):
                socket.create_connection(listener.getsockname()[:2], timeout=0.3)
            accepted, _ = listener.accept()
            with accepted:
                # What the filter is not about goes on, in both directions.
                early.sendall(b"question")
                assert accepted.recv(8) == b"question"
                accepted.sendall(b"answer")
                assert early.recv(6) == b"answer"


def test_the_accept_queue_is_drained() -> None:
    with closing(listening.bind("127.0.0.1", 0)) as listener:
        listener.listen()
        with socket.create_connection(listener.getsockname(), timeout=5):
            waits = listening.drain_accept_queue(listener)
            assert next(waits) == listening.POLL_SECONDS
            accepted, _ = listener.accept()
            with accepted:
                # Each look takes no time here: quiet is a matter of the clock.
                assert all(seconds == listening.POLL_SECONDS for seconds in waits)


def test_draining_the_accept_queue_has_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "MAX_DRAIN_SECONDS", 0.2)
    with closing(listening.bind("127.0.0.1", 0)) as listener:
        listener.listen()
        with socket.create_connection(listener.getsockname(), timeout=5):
            assert list(listening.drain_accept_queue(listener))
