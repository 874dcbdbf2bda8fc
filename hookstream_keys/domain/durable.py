"""What is on the disk before anything relies on it."""

import os
from pathlib import Path


def fsync_directory(folder: Path) -> None:
    """Have the names of the folder's files on the disk; what is in them is synced by itself.

    Raises OSError.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
