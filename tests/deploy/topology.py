"""The servers of deploy/compose.yaml as processes of this machine, started from the same files.

Only addresses, ports and folders are other ones.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from interop.proxies import free_port, running
from support import NO_TLS, Database, Server, Tenant, run, serving, until
from support.postgresql import as_postgres, private_folder, programs, stand_for
from support.programs import missing, require

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]

LOOPBACK = "127.0.0.1"
#: Each has another one here, so that a client's address differs from that of nginx.
CLIENT = "127.0.0.2"

#: What is written must be visible, not survive the machine: these are tests.
_FASTER = ["-c", "fsync=off", "-c", "shared_buffers=32MB"]


@dataclass
class Postgres:
    """A PostgreSQL server of compose.yaml."""

    name: str
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.folder / self.name

    def environment(self) -> dict[str, str]:
        """What the container has, and where the server is, which is known there."""
        found = programs() or missing("PostgreSQL is missing; install postgresql")
        return {
            "PATH": f"{found}:/usr/bin:/bin",
            "PGDATA": str(self.data),
            "PGHOST": str(self.folder),
            "PGPORT": str(self.port),
            "SECRETS": str(self.folder),
            "LC_ALL": "C.UTF-8",
        }

    def run(self, *command: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a command as in its container."""
        return subprocess.run(
            as_postgres(*command),
            env=self.environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            **more,
        )

    def succeed(self, *command: str) -> str:
        """What a command prints that must succeed."""
        done = self.run(*command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What a statement of the superuser returns."""
        query = ["psql", "-XU", "postgres", "-d", database, "-Atc", statement]
        return self.succeed(*query).removesuffix("\n")

    def superuser_url(self) -> str:
        """The URL of the service's database, for the superuser, by the Unix socket."""
        return f"postgresql://postgres@/hookstream?host={self.folder}&port={self.port}"

    def options(self) -> list[str]:
        """Where it listens."""
        listen = ["-c", f"listen_addresses={LOOPBACK}", "-k", str(self.folder)]
        return [*_FASTER, *listen, "-p", str(self.port)]

    def start(self, *command: str) -> None:
        """Start it with what compose.yaml says, and wait until its health check passes."""
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                as_postgres(*command, *self.options()),
                env=self.environment(),
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        until(self.is_healthy, 60)

    def is_healthy(self) -> bool:
        """Whether its health check of compose.yaml passes."""
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / f"{self.name}.log").read_text("utf-8")
        kind, *command = SERVICES[self.name]["healthcheck"]["test"]
        shell = ["sh", "-c"] if kind == "CMD-SHELL" else []
        return self.run(*shell, *command).returncode == 0

    def stop(self) -> None:
        """Stop it at once: as a crash, and nothing of it is read again."""
        if self.process is not None and self.process.poll() is None:
            self.run("pg_ctl", "-m", "immediate", "-w", "stop")
            self.process.wait(30)


@contextmanager
def replicated() -> Iterator[tuple[Postgres, Postgres]]:
    """The primary and its synchronous standby, made by the scripts of deploy/postgresql."""
    with private_folder() as folder, ExitStack() as stack:
        for file in (DEPLOY / "postgresql").iterdir():
            shutil.copy(file, folder)
        for name in ("hookstream", "replicator"):
            # With what a shell or SQL could take for something else.
            (folder / f"{name}_password").write_text(f"{name}'s $1\n", encoding="utf-8")
        primary, standby = Postgres("postgres1", folder), Postgres("postgres2", folder)
        stack.callback(primary.stop)
        stack.callback(standby.stop)
        _initialize(primary)
        primary.start(*SERVICES["postgres1"]["command"])
        follow(standby, primary)
        yield primary, standby


def follow(standby: Postgres, primary: Postgres) -> None:
    """Start a server as a standby of another one."""
    shell, script, connection = SERVICES["postgres2"]["entrypoint"]
    at = connection.replace("host=postgres1", f"host={LOOPBACK} port={primary.port}")
    here = str(standby.folder / Path(script).name)
    standby.start(shell, here, at, *SERVICES[standby.name]["command"][-2:])


def _initialize(primary: Postgres) -> None:
    """What PostgreSQL's image does before the first start."""
    auth = ["--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync"]
    primary.succeed("initdb", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", *auth)
    with (primary.data / "pg_hba.conf").open("a", encoding="utf-8") as rules:
        rules.write("host all all all scram-sha-256\n")
    server = f"-k {primary.folder} -p {primary.port} -c fsync=off -c listen_addresses="
    primary.succeed("pg_ctl", "-w", "-o", server, "-l", "/dev/null", "start")
    primary.succeed(str(primary.folder / "primary.sh"))
    primary.succeed("pg_ctl", "-w", "-m", "fast", "stop")


def nginx_configuration(port: int, nodes: Sequence[str]) -> str:
    """deploy/nginx.conf, which listens on this port of the loopback in front of these addresses."""
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    for name, address in zip(("node1:8080", "node2:8080"), nodes, strict=True):
        assert text.count(f"server {name} ") == 1
        text = text.replace(f"server {name} ", f"server {address} ")
    assert text.count("listen 8080;") == 1
    return text.replace("listen 8080;", f"listen {LOOPBACK}:{port};")


def nginx_command(folder: Path, configuration: str) -> list[str]:
    """The command of compose.yaml that runs nginx, with this configuration, in this folder."""
    file = folder / "nginx.conf"
    file.write_text(configuration, encoding="utf-8")
    replaced = {"/tmp": str(folder), "/etc/nginx/nginx.conf": str(file)}  # noqa: S108 - its words
    # Started by root, its workers would run as a user who may not write to a test's folder.
    user = " user root;" if os.getuid() == 0 else ""
    replaced["daemon off;"] = f"daemon off;{user}"
    words = [replaced.pop(word, word) for word in SERVICES["nginx"]["command"]]
    assert not replaced
    return [require("nginx", "nginx"), *words]


@dataclass
class Topology:
    """All of compose.yaml's servers."""

    primary: Postgres
    standby: Postgres
    nodes: tuple[Server, Server]
    #: The URL of the API through nginx.
    url: str
    tenant: Tenant
    folder: Path

    def ask(self, method: str, path: str, *, source: str = CLIENT, **given: Any) -> httpx.Response:
        """What nginx answers to a client at the address `source`."""
        given.setdefault("headers", {"X-API-Key": self.tenant.key})
        transport = httpx.HTTPTransport(local_address=source, verify=NO_TLS)
        with httpx.Client(transport=transport, timeout=70) as client:
            return client.request(method, self.url + path, **given)

    def create(self, name: str = "k", **more: Any) -> httpx.Response:
        """A request to create a key, through nginx."""
        where = {"org_id": self.tenant.org_id, "env_id": self.tenant.env_id}
        return self.ask("POST", "/auth/api-keys", json={"name": name, **where, **more})

    def code(self, secret: str) -> str:
        """What verification through nginx says of a key, or the status of an error."""
        answer = self.ask("POST", "/auth/api-keys/verify", json={"key": secret})
        return str(answer.json()["code"]) if answer.status_code == 200 else str(answer.status_code)

    def code_at(self, node: Server, secret: str) -> str:
        """What one node says of a key."""
        headers = {"X-API-Key": self.tenant.key}
        answer = node.request(
            "POST", "/auth/api-keys/verify", json={"key": secret}, headers=headers
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["code"])

    def logged(self, node: Server, *words: str) -> list[str]:
        """The lines of a node's log that have all of these words."""
        lines = node.log.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if all(word in line for word in words)]


def database_url(user: str, servers: Sequence[Postgres]) -> str:
    """The URL of compose.yaml, for this user and these servers."""
    url = str(SERVICES["node1"]["environment"]["HOOKSTREAM_DATABASE"])
    hosts = ",".join(f"{LOOPBACK}:{server.port}" for server in servers)
    changed = re.sub(r"//hookstream@postgres1,postgres2/", f"//{user}@{hosts}/", url)
    assert changed != url
    return changed


@contextmanager
def deployed(folder: Path) -> Iterator[Topology]:
    """All of it. The second node has a role of its own, so that a test can lock it out."""
    with ExitStack() as stack:
        primary, standby = stack.enter_context(replicated())
        secret = (primary.folder / "hookstream_password").read_text("utf-8").removesuffix("\n")
        passwords = folder / "pgpass"
        passwords.touch(0o600)
        passwords.write_text(f"*:*:*:hookstream:{secret}\n*:*:*:node2:{secret}\n", encoding="utf-8")
        quoted = secret.replace("'", "''")
        primary.sql(f"create role node2 login password '{quoted}' in role hookstream")
        primary.sql("alter role node2 set role hookstream")
        settings: Mapping[str, str] = {
            **SERVICES["node1"]["environment"],
            "PGPASSFILE": str(passwords),
            "HOOKSTREAM_TRUSTED_PROXIES": LOOPBACK,
            "HOOKSTREAM_SINGLE_DATABASE": "off",
            "HOOKSTREAM_RATE_LIMIT": "off",
        }
        nodes: list[Server] = []
        tenant: Tenant | None = None
        for name in ("hookstream", "node2"):
            database = Database(folder / name / "hookstream.db")
            database.path.parent.mkdir()
            url = database_url(name, [primary, standby])
            stand_for(database.path, url)
            mine: dict[str, Any] = {**settings, "HOOKSTREAM_DATABASE": url}
            if tenant is None:
                done = run("init", "--json", database=database.path, **mine)
                assert done.returncode == 0, done.stderr
                tenant = database.begin_with(yaml.safe_load(done.stdout))
            nodes.append(stack.enter_context(serving(database, **mine)))
        assert tenant is not None
        port = free_port()
        addresses = [f"{LOOPBACK}:{node.address[1]}" for node in nodes]
        command = nginx_command(folder, nginx_configuration(port, addresses))
        stack.enter_context(running(command, folder, port))
        url = f"http://{LOOPBACK}:{port}/v1"
        yield Topology(primary, standby, (nodes[0], nodes[1]), url, tenant, folder)
