"""better-auth with its API-key plugin."""

import json
import os

from harness.environments import node_modules
from harness.places import PEERS
from harness.programs import Unusable, require, run
from harness.system import Data, Launch, System

#: Of no worth: what it signs is thrown away with the database.
_SECRET = "for-the-benchmark-only-0123456789abcdef"  # noqa: S105

_FOLDER = PEERS / "better_auth"
_SQLITE = """
    const database = new (require('better-sqlite3'))(':memory:');
    console.log(database.prepare('select sqlite_version() as version').get().version);
"""


class BetterAuth(System):
    """The plugin behind a server of Node's."""

    name = "better_auth"
    label = "better-auth, API-key plugin"
    speaks = "better_auth"
    works = ("verify", "create", "create_by_session")
    table = "apikey"
    packages: tuple[str, ...] = ("@better-auth/api-key", "better-auth", "better-sqlite3")

    def install(self) -> None:
        """Install its packages, which compiles better-sqlite3 the first time."""
        require("cc")
        node_modules("better_auth")

    def seed(self, data: Data, count: int) -> None:
        """Create a database by its migrations, with a user, so many keys of theirs and one more."""
        printed = run(
            require("node"), _FOLDER / "server.mjs", "seed", str(count),
            env=os.environ | self._environment(data),
        ).splitlines()  # fmt: skip
        keys = [(key_id, secret) for key_id, secret in map(str.split, printed[1:])]
        data.write(keys[1:], BENCH_CALLER=keys[0][1], BENCH_COOKIE=printed[0])

    def launch(self, data: Data, port: int, workers: int = 1) -> Launch:
        """How to start it; it has one process. Raises Unusable for more."""
        if workers != 1:
            raise Unusable("better-auth runs in one process")
        command = (require("node"), _FOLDER / "server.mjs", "serve", str(port))
        return Launch(command, self._environment(data), _FOLDER)

    def versions(self) -> dict[str, str]:
        """What it is made of."""
        lock = json.loads((_FOLDER / "package-lock.json").read_text("utf-8"))["packages"]
        node = require("node")
        return {
            **{part: lock[f"node_modules/{part}"]["version"] for part in self.packages},
            "Node.js": run(node, "--version").strip().removeprefix("v"),
            "its SQLite": run(node, "--eval", _SQLITE, cwd=_FOLDER).strip(),
        }

    def database(self, data: Data) -> str:
        """The file, or URL, of its database."""
        return str(data.database)

    def _environment(self, data: Data) -> dict[str, str]:
        return {
            "NODE_ENV": "production",
            "BENCH_DATABASE": self.database(data),
            "BETTER_AUTH_SECRET": _SECRET,
            "BETTER_AUTH_TELEMETRY": "0",
        }
