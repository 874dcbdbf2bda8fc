"""The log: one line an event on standard error, in UTC.

Every request writes a line, so a record holds only what the line shows.
"""

import logging
import time
from typing import Any


def config(level: str) -> dict[str, Any]:
    """Python's logging configuration for this level: `debug`, `info`, `warning` or `error`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "hookstream_keys.server.logs.LineFormatter"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "hookstream_keys": {"level": level.upper()},
            "uvicorn.error": {"level": level.upper() if level != "info" else "WARNING"},
        },
    }


class LineFormatter(logging.Formatter):
    """Writes `2026-11-24T12:00:00.000Z INFO hookstream_keys: message`, in UTC as everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self._second = 0
        self._text = ""
        # As Python's own documentation advises where a log is written much ("Optimization" in its
        # logging HOWTO): no line says which thread, process or place in the code it came from.
        for fact in ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"):
            setattr(logging, fact, False)
        logging._srcfile = None

    def format(self, record: logging.LogRecord) -> str:
        """The line, and below it the traceback of an error, if there is one."""
        second = int(record.created)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        line = (
            f"{self._text}.{int(record.msecs):03d}Z {record.levelname} {record.name}: "
            f"{record.getMessage()}"
        )
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line
