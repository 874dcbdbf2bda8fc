"""The log: what is written when, and that no line is lost, repeated or cut."""

import asyncio
import inspect
import io
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from uvicorn.protocols.http import httptools_impl

from hookstream_keys.runtime.logs import (
    DROPPED,
    MAX_WRITE,
    LineFormatter,
    LineHandler,
    OncePerMinute,
    ToldOnce,
    add_access_line,
    config,
)

log = logging.getLogger("hookstream_keys")


class Writes(io.StringIO):
    """A stream that also remembers each write."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[str] = []

    def write(self, text: str) -> int:
        self.made.append(text)
        return super().write(text)

    def messages(self) -> list[str]:
        return [line.partition("hookstream_keys: ")[2] for line in self.getvalue().splitlines()]


class Broken(Writes):
    def write(self, _: str) -> int:
        raise OSError("the disk is full")


@contextmanager
def logging_to(stream: Writes) -> Iterator[LineHandler]:
    """Log as a server does, at the level INFO."""
    handler = LineHandler(stream)
    handler.setFormatter(LineFormatter())
    before = log.handlers, log.propagate, log.level
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        handler.close()
        log.handlers, log.propagate = before[:2]
        log.setLevel(before[2])


@pytest.fixture
def stream() -> Iterator[Writes]:
    """What a server's log has written."""
    stream = Writes()
    with logging_to(stream):
        yield stream


def test_a_warning_is_not_repeated_within_a_minute() -> None:
    told = OncePerMinute(lambda: clock[-1])
    clock = [0.0]

    def logged(level: int, text: str, *values: object) -> str | None:
        record = logging.LogRecord("hookstream_keys", level, "", 0, text, values, None)
        return record.getMessage() if told.filter(record) else None

    assert logged(logging.WARNING, "%s failed", "a") == "a failed"
    for seconds in (5.0, 10.0, 59.0):
        clock.append(seconds)
        assert logged(logging.WARNING, "%s failed", "a") is None
        assert logged(logging.INFO, "%s failed", "a") == "a failed"
    assert logged(logging.WARNING, "%s failed", "b") == "b failed"
    clock.append(61.0)
    assert logged(logging.WARNING, "%s failed", "a") == "a failed (and 3 times since then)"
    clock.append(122.0)
    assert logged(logging.WARNING, "%s failed", "a") == "a failed"


def test_what_is_news_and_what_is_about_a_request_is_always_logged() -> None:
    told = OncePerMinute(lambda: 0.0)
    for _ in range(2):
        record = logging.LogRecord("hookstream_keys", logging.WARNING, "", 0, "lost", (), None)
        record.is_news = True
        assert told.filter(record)
        text = "request_id=req_1 failed"
        about = logging.LogRecord("hookstream_keys", logging.ERROR, "", 0, text, (), None)
        assert told.filter(about)


def test_lines_of_one_iteration_are_one_write(stream: Writes) -> None:
    async def serve() -> None:
        for number in range(3):
            add_access_line(f"request {number}")
        assert not stream.made
        await asyncio.sleep(0)
        add_access_line("request 3")
        await asyncio.sleep(0)

    asyncio.run(serve())
    assert [text.count("\n") for text in stream.made] == [3, 1]
    assert stream.messages() == [f"request {number}" for number in range(4)]
    assert all(line[23:].startswith("Z INFO ") for line in stream.getvalue().splitlines())


def test_a_write_is_at_most_what_a_pipe_keeps_together(stream: Writes) -> None:
    async def serve() -> None:
        for number in range(200):
            add_access_line(f"request {number:>100}")

    asyncio.run(serve())
    assert len(stream.messages()) == 200
    assert max(map(len, stream.made)) <= MAX_WRITE
    assert all(text.endswith("\n") for text in stream.made)
    assert len(stream.made) < 20


def test_another_line_comes_after_those_that_wait(stream: Writes) -> None:
    async def serve() -> None:
        add_access_line("first")
        log.warning("second")
        add_access_line("third")

    asyncio.run(serve())
    assert stream.messages() == ["first", "second", "third"]


def test_the_lines_of_the_last_iteration_are_written_when_logging_stops() -> None:
    stream = Writes()

    async def serve() -> None:
        with logging_to(stream):
            add_access_line("last")

    asyncio.run(serve())
    assert stream.messages() == ["last"]


def test_lines_of_several_threads_are_neither_lost_nor_repeated(stream: Writes) -> None:
    done = threading.Event()

    def warn() -> None:
        for number in range(300):
            log.warning("warning %d", number)
        done.set()

    async def serve() -> None:
        number = 0
        while not done.is_set() or number < 300:
            add_access_line(f"request {number}")
            number += 1
            await asyncio.sleep(0)
        requests.append(number)

    requests: list[int] = []
    thread = threading.Thread(target=warn)
    thread.start()
    asyncio.run(serve())
    thread.join()
    found = stream.messages()
    assert [each for each in found if each.startswith("warning")] == [
        f"warning {number}" for number in range(300)
    ]
    assert [each for each in found if each.startswith("request")] == [
        f"request {number}" for number in range(requests[0])
    ]


def test_a_log_that_cannot_be_written_fails_no_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def serve() -> None:
        add_access_line("request")

    with logging_to(Broken()):
        asyncio.run(serve())
    assert "the disk is full" in capsys.readouterr().err


def test_a_request_that_cannot_be_parsed_has_one_line() -> None:
    # The access log's: see `Protocol._send_refusal`.
    (told,) = config("debug")["loggers"]["uvicorn.error"]["filters"]
    assert config("debug")["filters"][told]["()"].endswith(f".{ToldOnce.__name__}")
    # What uvicorn logs, so that another text of a later version is noticed.
    assert DROPPED in inspect.getsource(httptools_impl)
    for text, is_kept in ((DROPPED, False), ("ASGI callable raised", True)):
        record = logging.makeLogRecord({"name": "uvicorn.error", "msg": text})
        assert bool(ToldOnce().filter(record)) is is_kept


def test_nothing_is_written_below_the_level(stream: Writes) -> None:
    log.setLevel(logging.WARNING)
    add_access_line("request")
    assert not stream.made


def test_without_a_server_a_line_is_a_record(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "hookstream_keys"):
        add_access_line("100% of a request")
    assert [record.getMessage() for record in caplog.records] == ["100% of a request"]
