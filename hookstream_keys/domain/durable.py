"""Durability: syncing folders to the disk."""

import os
from pathlib import Path


def fsync_directory(folder: Path) -> None:
    """Sync the names of the folder's files to the disk, not their content.

    Raises OSError.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
