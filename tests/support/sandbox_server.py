"""A sandbox in the place of a server under test: `TESTS_SERVER=sandbox`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support import COMMAND, Database, Server, forking, signing, without_settings

#: What a server has by default, and a sandbox otherwise.
_AS_A_SERVER = {
    "HOOKSTREAM_ADD_UNVERIFIED_MEMBERS": "off",
    "HOOKSTREAM_LOG_LEVEL": "info",
    "HOOKSTREAM_RATE_LIMIT": "6000",
    "HOOKSTREAM_SIGN_UP": "closed",
    "HOOKSTREAM_VALIDATE_RESPONSES": "on",
}


@contextmanager
def serving_sandbox(folder: Path, *, workers: int = 1, **settings: str) -> Iterator[Server]:
    """Run a sandbox whose clock runs from now until the block ends, with its files in the folder.

    It has one process, in the place of any number of `workers`.
    """
    assert workers >= 1
    log = folder / "server.log"
    files = folder / "files"
    files.mkdir()
    command = [COMMAND, "sandbox", "--json", "--directory", str(files), "--clock", "now"]
    variables = without_settings() | _AS_A_SERVER | settings
    with log.open("a", encoding="utf-8") as sink:
        process = forking.start_with_pipe(
            [*command, "--run-clock"], sink.fileno(), folder=folder, environment=variables
        )
    assert process.stdout is not None
    with process.stdout:
        try:
            facts = json.loads(process.stdout.readline())
            (path,) = files.glob("*/own/sandbox.db")
            database = Database(path)
            database.begin_with(facts)
            signing["secret"] = facts["auth_secret"]
            yield Server(facts["base_url"], database, log, process)
        finally:
            process.terminate()
            process.wait(timeout=60)
