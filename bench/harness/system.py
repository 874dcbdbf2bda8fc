"""What is compared: something that keeps API keys in SQLite and speaks HTTP."""

import json
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True)
class Launch:
    """How a server is started: it listens on the port that it was told, until SIGTERM."""

    command: tuple[str | Path, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


@dataclass(frozen=True)
class Data:
    """A system's database with keys in it, and what a client of it knows."""

    folder: Path

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.folder / "keys.db"

    @property
    def keys(self) -> Path:
        """An id and a secret a line: keys that are good."""
        return self.folder / "keys.txt"

    def facts(self) -> dict[str, str]:
        """What the requests have in them besides: the variables of lua/load.lua."""
        facts: dict[str, str] = json.loads((self.folder / "facts.json").read_text("utf-8"))
        return facts

    def write(self, keys: list[tuple[str, str]], **facts: str) -> None:
        """Keep the keys, id and secret, and the facts."""
        lines = "".join(f"{key_id} {secret}\n" for key_id, secret in keys)
        self.keys.write_text(lines, "utf-8")
        (self.folder / "facts.json").write_text(json.dumps(facts), "utf-8")

    def empty(self) -> "Data":
        """The same, with nothing in its folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return self

    def copy(self, folder: Path) -> "Data":
        """The same in another folder, which is emptied first. No server may be running on it."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder)
        return Data(folder)

    def count(self, table: str) -> int:
        """How many rows the table has."""
        with closing(sqlite3.connect(self.database)) as connection:
            number: int = connection.execute(f'select count(*) from "{table}"').fetchone()[0]  # noqa: S608
        return number

    def journal_mode(self) -> str:
        """How the database keeps its journal: `wal`, or what it should not be."""
        with closing(sqlite3.connect(self.database)) as connection:
            mode: str = connection.execute("pragma journal_mode").fetchone()[0]
        return mode


class System:
    """One of those that are compared."""

    #: Names it in results and files.
    name: ClassVar[str]
    #: Names it to a reader.
    label: ClassVar[str]
    #: Which of lua/systems speaks to it.
    speaks: ClassVar[str]
    works: ClassVar[tuple[str, ...]] = ("verify", "create")
    #: Where its keys are.
    table: ClassVar[str]
    #: What answers 200 once it is ready; without it a connection must do.
    ready_path: ClassVar[str] = ""
    #: Whether its audit log is ours, so that ours can check it.
    has_audit_log: ClassVar[bool] = False

    def install(self) -> None:
        """Put everything in place that it needs, unless it is. Raises Unusable."""

    def seed(self, data: Data, count: int) -> None:
        """Create a database in `data`'s empty folder, with so many valid keys, all written down."""
        raise NotImplementedError

    def launch(self, data: Data, port: int, workers: int = 1) -> Launch:
        """How to start it on `data` and `port`."""
        raise NotImplementedError

    def versions(self) -> dict[str, str]:
        """What it is made of."""
        raise NotImplementedError
