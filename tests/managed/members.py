"""PostgreSQL servers that Patroni manages, as processes of this machine, with etcd beside them."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from support import until
from support.postgresql import as_postgres, programs
from support.programs import missing, require

#: The settings of deploy/README.md's section on Patroni.
DCS: dict[str, Any] = {
    "ttl": 20,
    "loop_wait": 5,
    "retry_timeout": 5,
    "synchronous_mode": True,
    "synchronous_mode_strict": True,
    "postgresql": {
        "use_pg_rewind": True,
        "parameters": {"wal_log_hints": "on", "max_connections": 200},
    },
}
#: The first member initializes the database; a standby copies it.
START_SECONDS = 90


@dataclass
class Member:
    """A server and its Patroni."""

    name: str
    folder: Path
    port: int
    rest_port: int
    etcd_port: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Start Patroni, which starts the server."""
        command = as_postgres(require("patroni", "patroni"), str(self._configuration()))
        with (self.folder / "patroni.log").open("ab") as log:
            # A group of its own: the kill takes the server along, as a power failure would.
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )

    def kill(self) -> None:
        """End Patroni and all processes of its server, with SIGKILL."""
        assert self.process is not None
        server = (self.folder / "data" / "postmaster.pid").read_text("ascii").split()[0]
        children = Path("/proc", server, "task", server, "children").read_text("ascii").split()
        os.killpg(self.process.pid, signal.SIGKILL)
        for pid in (server, *children):
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(10)

    def stop(self) -> None:
        """Stop both, if they run."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def is_now(self, role: str) -> bool:
        """Whether it is `primary`, or `sync`, a synchronous standby."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.rest_port}/{role}", timeout=5)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    def _configuration(self) -> Path:
        path = self.folder / "patroni.json"
        found = programs()
        if found is None:
            missing("PostgreSQL is missing; install postgresql")
        address = f"127.0.0.1:{self.port}"
        # YAML, of which JSON is a part.
        configuration = {
            "scope": "keys",
            "name": self.name,
            "restapi": {
                "listen": f"127.0.0.1:{self.rest_port}",
                "connect_address": f"127.0.0.1:{self.rest_port}",
            },
            "etcd3": {"host": f"127.0.0.1:{self.etcd_port}"},
            "bootstrap": {"dcs": DCS, "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}]},
            "postgresql": {
                "listen": address,
                "connect_address": address,
                "data_dir": str(self.folder / "data"),
                "bin_dir": str(found),
                "pgpass": str(self.folder / "pgpass"),
                "pg_hba": [
                    "local all all trust",
                    "host all all 127.0.0.1/32 trust",
                    "host replication all 127.0.0.1/32 trust",
                ],
                "authentication": {
                    "superuser": {"username": "postgres"},
                    "replication": {"username": "replicator"},
                    "rewind": {"username": "postgres"},
                },
                "parameters": {"unix_socket_directories": str(self.folder)},
            },
        }
        path.write_text(json.dumps(configuration), "utf-8")
        return path


@contextmanager
def running(folders: Sequence[Path], ports: Sequence[int]) -> Iterator[list[Member]]:
    """A primary and its synchronous standby; one more folder is etcd's. It needs six free ports."""
    etcd_port, peer_port, *others = ports
    with ExitStack() as stack:
        stack.enter_context(_etcd(folders[-1], etcd_port, peer_port))
        members = [
            Member(
                f"member-{number}", folder, others[2 * number], others[2 * number + 1], etcd_port
            )
            for number, folder in enumerate(folders[:-1])
        ]
        roles = {0: "primary", 1: "sync"}
        for number, member in enumerate(members):
            member.start()
            stack.callback(member.stop)
            until(lambda: member.is_now(roles[number]), START_SECONDS)  # noqa: B023 - called at once
        yield members


@contextmanager
def _etcd(folder: Path, port: int, peer_port: int) -> Iterator[None]:
    own, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    options: Mapping[str, str] = {
        "--data-dir": str(folder / "etcd"),
        "--listen-client-urls": own,
        "--advertise-client-urls": own,
        "--listen-peer-urls": peer,
        "--initial-advertise-peer-urls": peer,
        "--initial-cluster": f"default={peer}",
    }
    command = [require("etcd", "etcd-server"), *(word for pair in options.items() for word in pair)]
    with (folder / "etcd.log").open("wb") as log:
        process = subprocess.Popen(as_postgres(*command), stdout=log, stderr=log, cwd=folder)
    try:
        time.sleep(1)
        assert process.poll() is None, (folder / "etcd.log").read_text("utf-8")
        yield
    finally:
        process.terminate()
        process.wait(30)
