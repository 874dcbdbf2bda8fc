"""What a process of the server serves, whether it is the only one or one of several."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.process import BaseProcess

from starlette.types import ASGIApp

from hookstream_keys.app import from_environment


def application() -> ASGIApp:
    """The application as the environment's settings want it.

    A process that another one started stops when that is gone: it would hold the port
    otherwise, and nobody would stop it.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_stop_after, args=(parent,), name="orphan", daemon=True).start()
    return from_environment()


def _stop_after(parent: BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
