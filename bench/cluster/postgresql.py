"""PostgreSQL servers of the benchmark's own, on Unix sockets, durable as installed."""

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.programs import Unusable

#: Where Debian has the programs of each version.
_PROGRAMS = Path("/usr/lib/postgresql")
_OPTIONS = (
    "-clisten_addresses=", "-cmax_connections=200", "-cshared_buffers=1GB", "-cmax_wal_size=4GB",
)  # fmt: skip
_START_SECONDS = 60
_NAMES = itertools.count(1)


@dataclass(frozen=True)
class Cluster:
    """A running server, and its first process."""

    folder: Path
    pid: int

    def url(self, database: str) -> str:
        """The URL of a database."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def new(self, template: str = "template1") -> str:
        """The URL of a new database, empty or a copy."""
        name = f"bench_{next(_NAMES)}"
        self.sql(f"create database {name} template {template}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database that nothing uses any more."""
        self.sql(f"drop database {name_of(url)} with (force)")

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Execute a statement; returns what psql prints of it."""
        return _run("psql", "-X", "-q", "-A", "-t", "-h", str(self.folder), "-U", "postgres", "-d",
                    database, "-c", statement)  # fmt: skip

    def version(self) -> str:
        """The version of the server."""
        return self.sql("show server_version").split()[0]


def name_of(url: str) -> str:
    """The name of the database at a URL of `Cluster.url`."""
    return url.partition("@/")[2].partition("?")[0]


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A new server while the block runs. Raises Unusable."""
    with _folder() as folder:
        _run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "-D", str(folder / "data"))
        with _serving(folder) as found:
            yield found


@contextmanager
def standby(primary: Cluster) -> Iterator[Cluster]:
    """A synchronous standby while the block runs: the primary waits for it. Raises Unusable."""
    with _folder() as folder:
        source = f"host={primary.folder} user=postgres application_name=standby"
        _run("pg_basebackup", "-c", "fast", "-R", "-d", source, "-D", str(folder / "data"))
        with _serving(folder) as found:
            primary.sql("alter system set synchronous_standby_names = 'standby'")
            primary.sql("select pg_reload_conf()")
            try:
                yield found
            finally:
                primary.sql("alter system reset synchronous_standby_names")
                primary.sql("select pg_reload_conf()")


@contextmanager
def _folder() -> Iterator[Path]:
    # A socket's path has 107 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    try:
        if os.getuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _serving(folder: Path) -> Iterator[Cluster]:
    options = ("-D", str(folder / "data"), "-k", str(folder), *_OPTIONS)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            _command("postgres", *options), stdout=log, stderr=log, cwd=folder
        )
    found = Cluster(folder, process.pid)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                found.sql("select 1")
                break
            except Unusable:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield found
    finally:
        process.terminate()
        process.wait(_START_SECONDS)


def _command(program: str, *arguments: str) -> list[str]:
    found = max(_PROGRAMS.glob("*/bin"), key=lambda each: int(each.parent.name), default=None)
    if found is None:
        raise Unusable("PostgreSQL is missing; install it: apt-get install postgresql")
    # It refuses root.
    user = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
    return [*(user if os.getuid() == 0 else ()), str(found / program), *arguments]


def _run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        _command(program, *arguments), capture_output=True, text=True, check=False, cwd="/"
    )
    if done.returncode != 0:
        raise Unusable(f"{program} failed with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout
