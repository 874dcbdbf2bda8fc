"""A sandbox's directory, while other sandboxes start."""

import fcntl
import shutil
from pathlib import Path
from typing import Any

import pytest

from hookstream_keys.sandbox.directory import temporary_directory


def test_it_is_there_although_another_sandbox_found_it_without_a_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    deleted: list[Path] = []

    def delete_first(file: Any, how: int) -> None:
        if not deleted:
            deleted.extend(tmp_path.iterdir())
            shutil.rmtree(deleted[0])
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", delete_first)
    with temporary_directory(tmp_path) as directory:
        assert directory.is_dir()
        assert [directory] == list(tmp_path.iterdir()) != deleted
    assert list(tmp_path.iterdir()) == []
