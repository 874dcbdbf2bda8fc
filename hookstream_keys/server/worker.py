"""The application of a server process."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.process import BaseProcess

from starlette.types import ASGIApp

from hookstream_keys.app import from_environment
from hookstream_keys.server import signals


def application() -> ASGIApp:
    """The application with the environment's settings.

    A worker stops when its supervisor is gone: otherwise it would hold the port as an orphan.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        signals.leave_to_supervisor()
        threading.Thread(target=_stop_after, args=(parent,), name="orphan", daemon=True).start()
    return from_environment()


def _stop_after(parent: BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
