"""A PostgreSQL server of the tests' own, on a Unix socket, with a database for each test."""

import atexit
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from support.programs import missing

#: Where Debian has the programs of each version; the newest is taken.
_PROGRAMS = Path("/usr/lib/postgresql")
_SETTINGS = {
    # What is written must be visible, not survive the machine: these are tests.
    "fsync": "off",
    "max_connections": "200",
    "listen_addresses": "",
    "shared_buffers": "64MB",
}


_END_SESSIONS = "select pg_terminate_backend(pid) from pg_stat_activity where datname = ?"


def programs() -> Path | None:
    """The folder of PostgreSQL's programs: the one that is named, or the newest installed."""
    named = os.environ.get("POSTGRESQL_PROGRAMS")
    found = sorted(_PROGRAMS.glob("*/bin"), key=lambda folder: int(folder.parent.name))
    return Path(named) if named else next(reversed(found), None)


class Cluster:
    """A running server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def new_database(self, template: str = "template1") -> str:
        """The address of a new database, empty or a copy."""
        with self._lock:
            name = f"keys_{os.getpid()}_{next(self._numbers)}"
            # What a command of this process has left open holds a copy up.
            self.execute(self.url(), _END_SESSIONS, template)
            self.execute(self.url(), f"create database {name} template {template}")
        return self.url(name)

    def execute(self, url: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Execute one statement on a connection of its own, with `?` for each value."""
        with closing(Session(url)) as session:
            return session.execute(sql, values)

    def promote(self) -> None:
        """Make the standby a primary."""
        _run(self.folder, "pg_ctl", "-D", str(self.folder / "data"), "-w", "promote")

    def stop(self) -> None:
        """Stop it before its block ends."""
        _run(self.folder, "pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "fast", "stop")

    def kill(self) -> None:
        """End all of its processes at once, with SIGKILL."""
        for process in self._processes():
            os.kill(process, signal.SIGKILL)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all of its processes while the block runs: connections stay, and nothing answers."""
        processes = self._processes()
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def _processes(self) -> list[int]:
        """The server, first, and its processes."""
        pid = (self.folder / "data" / "postmaster.pid").read_text("ascii").split()[0]
        children = Path("/proc", pid, "task", pid, "children").read_text("ascii").split()
        return [int(each) for each in (pid, *children)]

    def dump(self, url: str) -> Iterator[str]:
        """A line for each row of each table, as an `INSERT` names it.

        Without rate limits, and without the processes' heartbeats, of which there is one a second.
        """
        tables = self.execute(
            url,
            "select relname from pg_class where relkind = 'r' and relpersistence = 'p'"
            " and relnamespace = 'public'::regnamespace and relname <> 'node' order by 1",
        )
        for (table,) in tables:
            for (row,) in self.execute(url, f'select t::text from "{table}" t order by 1'):
                yield f'INSERT INTO "{table}" {row}'


class Session:
    """A connection, used like one of `sqlite3` in autocommit."""

    def __init__(self, url: str) -> None:
        # Here, since the driver is installed for the tests on this engine only.
        import asyncpg

        from hookstream_keys.store.postgresql import background
        from hookstream_keys.store.postgresql.dialect import translated
        from hookstream_keys.store.postgresql.pool import prepare

        async def connect() -> Any:
            driver = await asyncpg.connect(url)
            await prepare(driver)
            return driver

        self._translated = translated
        self._run = background.run
        self._driver = self._run(connect())

    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement, with `?` for each value."""
        rows = self._run(self._driver.fetch(self._translated(sql).sql, *values))
        return [tuple(row) for row in rows]

    def close(self) -> None:
        """Close it."""
        self._run(self._driver.close())


@cache
def shared_cluster() -> Cluster:
    """The server of this process's tests, until the process ends."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(running_cluster())


#: The databases that stand for files, by their paths.
_AT: dict[Path, str] = {}
#: Held while one is made: tests run commands at once.
_MAKING = threading.Lock()


def stand_for(path: Path, url: str) -> None:
    """Have the database at this URL stand for the file."""
    _AT[path] = url


def database_at(path: Path, template: str = "template1") -> str:
    """The URL of the database that stands for this file, a new one the first time."""
    with _MAKING:
        if path not in _AT:
            _AT[path] = shared_cluster().new_database(template)
        return _AT[path]


def is_known(path: Path) -> bool:
    """Whether a database stands for this file."""
    return path in _AT


def forget(path: Path) -> None:
    """Have no database stand for this file any more."""
    _AT.pop(path, None)


@contextmanager
def running_cluster(
    faults: Callable[[Path], Mapping[str, str]] | None = None, **settings: str
) -> Iterator[Cluster]:
    """A new server while the block runs, with these settings.

    `faults` gets its folder, and returns variables for its processes.
    """
    with private_folder() as folder:
        made = ["initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
        _run(folder, *made, "--no-sync", "-D", str(folder / "data"))
        with _running(folder, faults(folder) if faults else {}, **settings) as cluster:
            yield cluster


@contextmanager
def running_standby(primary: Cluster) -> Iterator[Cluster]:
    """A synchronous standby of a server, which waits for it from then on."""
    with private_folder() as folder:
        source = f"host={primary.folder} user=postgres application_name=standby"
        options = ["-X", "stream", "-c", "fast", "--no-sync", "-R"]
        _run(folder, "pg_basebackup", "-d", source, *options, "-D", str(folder / "data"))
        with _running(folder) as cluster:
            primary.execute(primary.url(), "alter system set synchronous_standby_names = 'standby'")
            primary.execute(primary.url(), "select pg_reload_conf()")
            yield cluster


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder of the user that runs PostgreSQL, with a path that is short enough for sockets."""
    # A socket's path has 107 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    try:
        if os.getuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _command(program: str, *arguments: str) -> list[str]:
    """A program of PostgreSQL's, which refuses root: another user runs it then."""
    found = programs()
    if found is None or not (found / program).is_file():
        missing(f"PostgreSQL's {program} is missing in {found}; install postgresql")
    return as_postgres(str(found / program), *arguments)


def as_postgres(*command: str) -> list[str]:
    """The command as it is run by a user whom PostgreSQL's programs accept."""
    user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
    return [*(user if os.getuid() == 0 else []), *command]


def _run(folder: Path, program: str, *arguments: str) -> None:
    subprocess.run(_command(program, *arguments), check=True, capture_output=True, cwd=folder)


@contextmanager
def _running(
    folder: Path, variables: Mapping[str, str] = MappingProxyType({}), **settings: str
) -> Iterator[Cluster]:
    options = [f"-c{name}={value}" for name, value in {**_SETTINGS, **settings}.items()]
    command = _command("postgres", "-D", str(folder / "data"), "-k", str(folder), *options)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env={**os.environ, **variables}
        )
    try:
        _wait_until_ready(server, _command("pg_isready", "-q", "-h", str(folder)))
        yield Cluster(folder)
    finally:
        # At once: nothing of it is read again.
        if server.poll() is None:
            server.send_signal(signal.SIGQUIT)
        server.wait(30)


def _wait_until_ready(server: subprocess.Popen[bytes], ask: list[str]) -> None:
    until = time.monotonic() + 30
    while subprocess.run(ask, check=False).returncode != 0:
        assert server.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
