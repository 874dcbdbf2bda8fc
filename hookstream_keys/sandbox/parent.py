"""Stops a sandbox with the process that it was started for, however that one ends."""

import os
import select
import signal
import threading
import time

#: How often it is looked for, in seconds, where the system cannot tell that it has ended.
POLL_SECONDS = 0.2


def exists(pid: int) -> bool:
    """Whether there is a process with this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def stop_with(pid: int) -> None:
    """Send SIGTERM to this process when the one with this id has ended."""
    threading.Thread(target=_stop_after, args=(pid,), name="parent", daemon=True).start()


def _stop_after(pid: int) -> None:
    _wait_for(pid)
    os.kill(os.getpid(), signal.SIGTERM)


def _wait_for(pid: int) -> None:
    try:
        # Linux: readable when it has ended, also before its parent knows.
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):
        while exists(pid):
            time.sleep(POLL_SECONDS)
    else:
        select.select([process], [], [])
        os.close(process)
