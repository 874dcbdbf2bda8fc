"""What is measured: the service on PostgreSQL, and better-auth, with databases of their own."""

import sys
from pathlib import Path

from harness.better_auth import BetterAuth
from harness.hookstream import NO_LIMITS, Hookstream, command, seed
from harness.places import WORK
from harness.programs import run
from harness.system import Data, Launch

from cluster.postgresql import Cluster

#: Of no worth: what it signs is thrown away with the database.
_SECRET = "for-the-benchmark-only-0123456789abcdef"  # noqa: S105


class OnPostgresql(Hookstream):
    """The service on a PostgreSQL database, to which a file was moved."""

    def __init__(self, url: str, *, has_limits: bool = False, has_standby: bool = False) -> None:
        self._url = url
        self._limits = {} if has_limits else NO_LIMITS
        self._has_standby = has_standby

    def launch(self, data: Data, port: int, workers: int = 1) -> Launch:
        """How to start it, as one process."""
        usual = super().launch(data, port, workers)
        environment = {
            **usual.environment,
            **self._limits,
            "HOOKSTREAM_DATABASE": self._url,
            "BETTER_AUTH_SECRET": _SECRET,
            "HOOKSTREAM_SINGLE_DATABASE": "off" if self._has_standby else "on",
        }
        return Launch(usual.command, environment)


class BetterAuthOnPostgresql(BetterAuth):
    """better-auth and its plugin on a PostgreSQL database."""

    label = "better-auth on PostgreSQL"
    packages = (*BetterAuth.packages, "pg")

    def __init__(self, url: str = "") -> None:
        self._url = url

    def database(self, _: Data) -> str:
        """The URL of its database."""
        return self._url


def template(size: int) -> Data:
    """A file with so many keys, kept from run to run."""
    data = Data(WORK / "cluster" / str(size))
    if not (data.folder / "facts.json").exists():
        seed(data.empty(), size, known=min(size, 20_000))
    return data


def moved(template: Data, database: Cluster) -> str:
    """The URL of a new database with the rows of a copy of the file."""
    url = database.new()
    copy = template.copy(WORK / "run")
    command(copy, "migrate-store", f"sqlite:///{copy.database}", url)
    return url


def versions(database: Cluster) -> dict[str, str]:
    """What of PostgreSQL is measured."""
    driver = "from importlib.metadata import version; print(version('asyncpg'))"
    return {
        "PostgreSQL": database.version(),
        "asyncpg": run(Path(sys.executable), "-c", driver).strip(),
    }
