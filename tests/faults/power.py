"""A power loss, played back: what may be left of a folder whose changes `disk_log.c` wrote down.

What an fsync that has ended covers is on the disk: of a file everything that was written before
that fsync began, of the folder every name that was made or taken away before. Everything later
may be there or not: of writes any of them, in any order, and of each any of its sectors; of names
the first few, since file systems keep a journal of those.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

#: A disk writes so many bytes wholly or not at all; the smallest that disks are made with.
SECTOR = 512

_HEADER = struct.Struct("<QIIQQQ")
_BEGINNING = 0xFA017D15C10660D5
_BEGINNING_BYTES = _BEGINNING.to_bytes(8, "little")


class Record(NamedTuple):
    """A record of the log, as `disk_log.c` describes it; M is a mark that a test made."""

    kind: str
    file: int
    offset: int
    number: int
    data: bytes


def read(log: Path) -> Iterator[Record]:
    """The records of a log, but for those that were cut short because their writer was killed."""
    text = log.read_bytes()
    place = 0
    while place < len(text):
        data = place + _HEADER.size
        if data <= len(text):
            _, kind, size, inode, offset, number = _HEADER.unpack_from(text, place)
            if data + size == len(text) or text.startswith(_BEGINNING_BYTES, data + size):
                yield Record(chr(kind), inode, offset, number, text[data : data + size])
                place = data + size
                continue
        following = text.find(_BEGINNING_BYTES, place + 1)
        place = following if following >= 0 else len(text)


def mark(log: Path, text: str) -> None:
    """Write into the log that something has happened by now."""
    data = text.encode()
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, _HEADER.pack(_BEGINNING, ord("M"), len(data), 0, 0, 0) + data)
    finally:
        os.close(descriptor)


@dataclass(eq=False)
class File:
    """What of a file is on the disk, and the changes since, each with its place in the log."""

    inode: int
    durable: bytearray = field(default_factory=bytearray)
    changes: list[tuple[int, Record]] = field(default_factory=list)


class Disk:
    """The folder as the log tells it, record by record."""

    def __init__(self) -> None:
        self._files: dict[int, File] = {}
        self._names: dict[str, File] = {}
        self._durable_names: dict[str, File] = {}
        self._renamings: list[tuple[int, str, File | None]] = []
        self._syncs: dict[int, int] = {}
        self._place = 0

    def take(self, record: Record) -> None:
        """Apply the record."""
        self._place += 1
        name, _, other = record.data.partition(b"\0") if record.kind in "OCULR" else (b"", b"", b"")
        match record.kind:
            case "O" | "C":
                self._open(name.decode(), record.file)
            case "W" | "T":
                self._files[record.file].changes.append((self._place, record))
            case "B":
                self._syncs[record.number] = self._place
            case "E":
                self._synced(record.file, self._syncs.pop(record.number))
            case "U":
                self._name(name.decode(), None)
            case "L":
                self._name(other.decode(), self._names[name.decode()])
            case "R":
                self._name(other.decode(), self._names[name.decode()])
                self._name(name.decode(), None)

    def after_power_loss(self, rng: Random) -> dict[str, bytes]:
        """The files as they may be found if the power is lost now."""
        names = dict(self._durable_names)
        for _, name, file in self._renamings[: rng.randint(0, len(self._renamings))]:
            _set(names, name, file)
        how = rng.choice(("nothing", "everything", "some", "torn"))
        share = {"nothing": 0.0, "everything": 1.0}.get(how, rng.uniform(0.05, 0.95))
        return {
            name: _content(file, rng, share, torn=how == "torn") for name, file in names.items()
        }

    def _open(self, name: str, inode: int) -> None:
        known = self._names.get(name)
        # A number is used again for another file when the first is gone.
        if known is None or known.inode != inode:
            self._files[inode] = File(inode)
            self._name(name, self._files[inode])

    def _name(self, name: str, file: File | None) -> None:
        _set(self._names, name, file)
        self._renamings.append((self._place, name, file))

    def _synced(self, inode: int, begun: int) -> None:
        if inode == 0:
            for place, name, file in self._renamings:
                if place < begun:
                    _set(self._durable_names, name, file)
            self._renamings = [each for each in self._renamings if each[0] >= begun]
            return
        file = self._files[inode]
        for place, change in file.changes:
            if place < begun:
                _change(file.durable, change.kind, change.offset, change.data)
        file.changes = [each for each in file.changes if each[0] >= begun]


def _set(names: dict[str, File], name: str, file: File | None) -> None:
    if file is None:
        names.pop(name, None)
    else:
        names[name] = file


def _content(file: File, rng: Random, share: float, *, torn: bool) -> bytes:
    content = bytearray(file.durable)
    for _, change in file.changes:
        if torn and change.kind == "W":
            for offset, piece in _sectors(change):
                if rng.random() < share:
                    _change(content, "W", offset, piece)
        elif rng.random() < share:
            _change(content, change.kind, change.offset, change.data)
    return bytes(content)


def _sectors(change: Record) -> Iterator[tuple[int, bytes]]:
    begin, end = change.offset, change.offset + len(change.data)
    while begin < end:
        until = min(end, (begin // SECTOR + 1) * SECTOR)
        yield begin, change.data[begin - change.offset : until - change.offset]
        begin = until


def _change(content: bytearray, kind: str, offset: int, data: bytes) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    if kind == "T":
        del content[offset:]
    else:
        content[offset : offset + len(data)] = data
