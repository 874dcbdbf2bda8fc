"""Clients that other projects' generators make of the served document."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from support import unmeasured

LIVES = Path(__file__).parent / "lives"

#: The generators of openapi-generator, without options.
OPENAPI_GENERATORS = ("python", "go", "typescript-fetch", "java", "csharp")


@dataclass(frozen=True)
class Generated:
    """What a generator wrote, and said."""

    folder: Path
    said: str


class Generators:
    """Runs each generator once, in a folder of its own; several at a time."""

    def __init__(self, document: Path, folder: Path, node_modules: Path) -> None:
        self.document = document
        self._folder = folder
        self._bin = node_modules / ".bin"
        self._done: dict[str, Generated] = {}
        self._locks = {name: Lock() for name in (*OPENAPI_GENERATORS, *self._commands(Path()))}

    def all(self) -> dict[str, Generated]:
        """Every generator's client, by the generator's name."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return dict(zip(self._locks, pool.map(self.client, self._locks), strict=True))

    def client(self, name: str) -> Generated:
        """What the generator of this name makes. Raises AssertionError when it fails."""
        with self._locks[name]:
            if name not in self._done:
                self._done[name] = self._generate(name)
            return self._done[name]

    def _generate(self, name: str) -> Generated:
        target = self._folder / name
        command = self._commands(target).get(name) or [
            _script("openapi-generator-cli"),
            "generate",
            f"--input-spec={self.document}",
            f"--generator-name={name}",
            f"--output={target}",
        ]
        # Programs this short gain nothing from Java's second compiler.
        environment = unmeasured() | {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=240, env=environment
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        return Generated(target, said)

    def _commands(self, target: Path) -> dict[str, list[str]]:
        document = str(self.document)
        return {
            "openapi-python-client": [
                _script("openapi-python-client"),
                "generate",
                f"--path={document}",
                # The package's name is its folder's. By default it would be the official client's.
                "--meta=none",
                f"--output-path={target / 'key_service_api'}",
            ],
            "openapi-typescript": [
                str(self._bin / "openapi-typescript"),
                document,
                f"--output={target / 'schema.ts'}",
                # Otherwise a request must have each field that has a default.
                "--default-non-nullable=false",
            ],
            "hey-api": [
                str(self._bin / "openapi-ts"),
                f"--input={document}",
                f"--output={target}",
                "--no-log-file",
            ],
            "orval": [
                str(self._bin / "orval"),
                f"--input={document}",
                f"--output={target / 'orval.ts'}",
                "--client=fetch",
            ],
        }


def _script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def typescript_project(generators: Generators, node_modules: Path, folder: Path) -> Path:
    """A folder with every client of TypeScript, and the programs that use them."""
    folder.mkdir()
    (folder / "node_modules").symlink_to(node_modules)
    shutil.copy(generators.client("openapi-typescript").folder / "schema.ts", folder)
    shutil.copy(generators.client("orval").folder / "orval.ts", folder)
    shutil.copytree(generators.client("hey-api").folder, folder / "hey_api_client")
    shutil.copytree(generators.client("typescript-fetch").folder, folder / "typescript_fetch")
    for program in LIVES.glob("*.ts"):
        shutil.copy(program, folder)
    return folder
