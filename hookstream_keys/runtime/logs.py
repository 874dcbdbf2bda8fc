"""The log: one line an event on standard error, in UTC.

Every request writes a line to the access log, so a record holds only what the line shows, and the
lines of one iteration of the event loop are one write: with 16 requests at once, a record and a
write for each took 5 % of a request. A crash loses the lines of that iteration only.
"""

import asyncio
import logging
import select
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

from hookstream_keys.domain import timestamps

log = logging.getLogger("hookstream_keys")

#: The size of a write at most, in bytes: POSIX keeps so many together in a pipe, which the workers
#: share.
MAX_WRITE = select.PIPE_BUF

#: For how long a warning is not repeated, in seconds, and how many are known.
REPEAT_SECONDS, MOST_REPEATED = 60.0, 100

#: uvicorn's line for a request that it cannot parse.
DROPPED = "Invalid HTTP request received."


def config(level: str) -> dict[str, Any]:
    """Python's logging configuration for this level: `debug`, `info`, `warning` or `error`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "hookstream_keys.runtime.logs.LineFormatter"}},
        "filters": {
            "told": {"()": "hookstream_keys.runtime.logs.ToldOnce"},
            "repeated": {"()": "hookstream_keys.runtime.logs.OncePerMinute"},
        },
        "handlers": {
            "stderr": {
                "class": "hookstream_keys.runtime.logs.LineHandler",
                "formatter": "line",
                "filters": ["repeated"],
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "hookstream_keys": {"level": level.upper()},
            "uvicorn.error": {
                "level": level.upper() if level != "info" else "WARNING",
                "filters": ["told"],
            },
        },
    }


class ToldOnce(logging.Filter):
    """Drops uvicorn's line for a request that it cannot parse: the access log has one for it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged."""
        return record.msg != DROPPED


class OncePerMinute(logging.Filter):
    """Drops a warning, or error, that was the same less than REPEAT_SECONDS ago.

    In an outage the periodic tasks fail every few seconds, all for one reason. Not those about a
    request, which differ by its ID, and not what is news, `extra={"is_news": True}`: that a state
    has changed again is no repetition.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        #: When each was logged last, and how often it was dropped since. Few: they name no request.
        self._logged: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged; if others were dropped, with how many."""
        text = record.getMessage()
        is_usual = record.levelno < logging.WARNING or text.startswith("request_id=")
        if is_usual or record.exc_info or getattr(record, "is_news", False):
            return True
        now = self._clock()
        last, dropped = self._logged.get(text, (float("-inf"), 0))
        if now - last < REPEAT_SECONDS:
            self._logged[text] = last, dropped + 1
            return False
        if len(self._logged) >= MOST_REPEATED:
            del self._logged[next(iter(self._logged))]
        self._logged[text] = now, 0
        if dropped:
            record.msg, record.args = f"{text} (and {dropped} times since then)", ()
        return True


class LineFormatter(logging.Formatter):
    """Writes `2026-11-24T12:00:00.000Z INFO hookstream_keys: message`, in UTC as everywhere."""

    def __init__(self) -> None:
        super().__init__()
        # As Python's own documentation advises where a log is written much ("Optimization" in its
        # logging HOWTO): no line says which thread, process or place in the code it came from.
        for fact in ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"):
            setattr(logging, fact, False)
        logging._srcfile = None

    def format(self, record: logging.LogRecord) -> str:
        """The line, and below it the traceback of an error, if there is one."""
        moment = timestamps.to_text(datetime.fromtimestamp(record.created, UTC))
        line = f"{moment} {record.levelname} {record.name}: {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes records at once, and lines of the access log at the end of the loop's iteration."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []
        self._size = 0
        _handlers.append(self)

    def close(self) -> None:
        """Write what waits, and take no more lines."""
        if self in _handlers:
            _handlers.remove(self)
        self.flush()
        super().close()

    def add(self, message: str) -> None:
        """Write a line of the access log with those of this iteration of the running loop."""
        line = f"{timestamps.to_text(datetime.now(UTC))} INFO {log.name}: {message}\n"
        self.acquire()
        try:
            if self._size + len(line) > MAX_WRITE:
                self._write()
            if not self._lines:
                asyncio.get_running_loop().call_soon(self.flush)
            self._lines.append(line)
            self._size += len(line)
        finally:
            self.release()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, after the lines that wait. Its caller has the lock."""
        self._write()
        super().emit(record)

    def flush(self) -> None:
        """Write the lines that wait."""
        self.acquire()
        try:
            self._write()
        finally:
            self.release()
        super().flush()

    def _write(self) -> None:
        if not self._lines:
            return
        lines, self._lines, self._size = "".join(self._lines), [], 0
        try:
            self.stream.write(lines)
        except Exception:  # noqa: BLE001 - as `StreamHandler`: a log that fails stops no request
            self.handleError(logging.makeLogRecord({"name": log.name, "msg": "access log"}))


#: Those that are in use: one in a server, and none where logging is not configured.
_handlers: list[LineHandler] = []


def add_access_line(message: str) -> None:
    """Write a line of the access log, of the level INFO."""
    if not log.isEnabledFor(logging.INFO):
        return
    if not _handlers:
        log.info("%s", message)
    for handler in _handlers:
        handler.add(message)
