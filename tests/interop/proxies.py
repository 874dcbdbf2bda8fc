"""Reverse proxies as processes, with a configuration and a folder of their own."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.programs import require


def nginx(folder: Path, config: str) -> list[str]:
    """The command that runs nginx with this configuration."""
    file = folder / "nginx.conf"
    # What a packaged nginx keeps in places that only root may write to.
    places = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = config.replace("http {\n", f"http {{\naccess_log off;\n{places}", 1)
    # Started by root, its workers would run as a user who may not write to a test's folder.
    user = "user root;\n" if os.geteuid() == 0 else ""
    file.write_text(f"daemon off;\n{user}pid {folder}/pid;\n{config}", encoding="utf-8")
    return [require("nginx", "nginx"), "-e", str(folder / "error.log"), "-c", str(file)]


def caddy(folder: Path, config: str) -> list[str]:
    """The command that runs Caddy with this configuration."""
    file = folder / "Caddyfile"
    file.write_text(config, encoding="utf-8")
    return [require("caddy", "caddy"), "run", "--adapter", "caddyfile", "--config", str(file)]


def haproxy(folder: Path, config: str) -> list[str]:
    """The command that runs HAProxy with this configuration."""
    file = folder / "haproxy.cfg"
    file.write_text(config, encoding="utf-8")
    return [require("haproxy", "haproxy"), "-f", str(file)]


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    """Run the command until the block ends, which begins when the port accepts connections.

    Raises AssertionError, with what the proxy printed, when it ends before.
    """
    log = folder / "proxy.log"
    with log.open("w", encoding="utf-8") as sink:
        process = subprocess.Popen(
            command,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"HOME": str(folder), "XDG_DATA_HOME": str(folder), "PATH": "/usr/bin:/bin"},
        )
    try:
        deadline = time.monotonic() + 30
        while not _accepts(port):
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
