"""deploy/Dockerfile: its commands are run as a build would, and the service as in its container.

No container engine runs here: the base image is this machine, and the container a process in
namespaces of its own.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pip
import pytest
from deploy.topology import DEPLOY, ROOT
from interop.proxies import free_port
from support import COMMAND, NO_TLS, SECRET, unmeasured, until
from support.programs import missing, require

#: What stands for the image's folder /data: one that every Debian has, and that is empty.
DATA = "/mnt"
#: What stands for its /tmp, where this checkout can be.
TEMPORARY = f"{DATA}/temporary"


@dataclass(frozen=True)
class Instruction:
    """An instruction of the Dockerfile."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """What it is given: the exec form's arguments, or its words."""
        found: list[str] = json.loads(self.text) if self.text[0] == "[" else self.text.split()
        return found


def stages() -> list[list[Instruction]]:
    """The instructions of each stage."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), flags=re.M)
    lines = text.replace("\\\n", " ").splitlines()
    found: list[list[Instruction]] = []
    for name, _, rest in (line.partition(" ") for line in lines if line):
        if name == "FROM":
            found.append([])
        else:
            found[-1].append(Instruction(name, rest.strip()))
    return found


def is_in_the_context(path: Path) -> bool:
    """Whether .dockerignore, whose last matching line decides, lets a file of the checkout in."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    is_in = True
    for line in lines:
        pattern = line.removeprefix("!").rstrip("/")
        if not line or line.startswith("#"):
            continue
        # A folder's line decides about all that is in it; `**/` is any folder, or none.
        candidates = [path, *path.parents][:-1]
        if any(each.match(pattern.removeprefix("**/")) for each in candidates):
            is_in = line.startswith("!")
    return is_in


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Where the commands of the first stage were run, and the environment that they have made."""
    folder = tmp_path_factory.mktemp("build")
    environment = tmp_path_factory.mktemp("environment")
    # The base image's Python, which the build installs setuptools into.
    base = tmp_path_factory.mktemp("base")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", base], check=True)
    places = {
        "/opt/hookstream-keys": str(environment),
        "python": str(base / "bin" / "python"),
    }
    # Bytecode, and a pip of each environment's own, take longer than the rest.
    programs = tmp_path_factory.mktemp("pip")
    (programs / "pip").symlink_to(Path(pip.__file__).parent)
    variables = unmeasured() | {
        "PIP_CONSTRAINT": "",
        "PIP_NO_COMPILE": "1",
        "PYTHONPATH": str(programs),
    }
    for each in stages()[0]:
        if each.name == "COPY":
            _copy(*each.words, build=folder)
        elif each.name == "RUN" and each.words[-1] == "requirements-postgresql.lock":
            # packaging/test_distributions.py installs from it.
            assert each.words[-4:-1] == ["--only-binary", ":all:", "--requirement"]
            assert "--require-hashes" in each.words
        elif each.name == "RUN":
            words = [_replaced(word, places) for word in each.words]
            if words[1:3] == ["-m", "venv"]:
                words.insert(3, "--without-pip")
            done = subprocess.run(
                words, cwd=folder, env=variables, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
        else:
            assert each.name in ("ENV", "WORKDIR"), each
    return folder, environment


def _replaced(word: str, places: Mapping[str, str]) -> str:
    for name, place in places.items():
        if word == name or word.startswith(f"{name}/"):
            return place + word.removeprefix(name)
    return word


def _copy(*words: str, build: Path) -> None:
    *sources, target = words
    for source in sources:
        assert is_in_the_context(Path(source)), source
        path = ROOT / source
        if path.is_dir():
            shutil.copytree(
                path,
                build / target,
                symlinks=True,
                ignore=lambda folder, names: [
                    name
                    for name in names
                    if not is_in_the_context(Path(folder, name).relative_to(ROOT))
                ],
            )
        else:
            shutil.copy(path, build / target)


def test_the_context_has_no_data_and_no_history() -> None:
    for name in (
        "hookstream.db",
        "store/hookstream.db-wal",
        ".git/config",
        "deploy/secrets/pgpass",
    ):
        assert not is_in_the_context(Path(name)), name
    assert not is_in_the_context(Path("store/__pycache__/base.cpython-311.pyc"))
    for name in ("pyproject.toml", "store/base.py", "hookstream_keys/store"):
        assert is_in_the_context(Path(name)), name


def test_the_build_makes_the_wheel_of_the_checkout_and_installs_it(
    built: tuple[Path, Path],
) -> None:
    folder, environment = built
    (wheel,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        document = archive.read("hookstream_keys/openapi.yaml")
    assert document == (ROOT / "openapi.yaml").read_bytes()
    # By the links of the checkout, which are copied as links.
    sources = {
        f"hookstream_keys/{path.relative_to(ROOT)}"
        for folder in ("handlers", "store")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert sources <= names
    assert (environment / "bin" / "hookstream-keys").is_file()
    (installed,) = environment.glob("lib/*/site-packages/hookstream_keys")
    assert (installed / "store" / "postgresql" / "pool.py").is_file()


def final(name: str) -> Instruction:
    """The last stage's instruction of this name."""
    (found,) = [each for each in stages()[1] if each.name == name]
    return found


def variables(port: int) -> dict[str, str]:
    """The variables of the image, and what an operator sets."""
    found = dict(each.split("=", 1) for each in final("ENV").words)
    found["PATH"] = f"{Path(COMMAND).parent}:/usr/bin:/bin"
    found["HOOKSTREAM_DATABASE"] = found["HOOKSTREAM_DATABASE"].replace("/data/", f"{DATA}/")
    assert found["HOOKSTREAM_HOST"] == "0.0.0.0"  # noqa: S104 - the container's own network
    return {
        **found,
        "HOOKSTREAM_HOST": "127.0.0.1",
        "HOOKSTREAM_PORT": str(port),
        "BETTER_AUTH_SECRET": SECRET,
        "TMPDIR": TEMPORARY,
    }


def in_container(*command: str) -> list[str]:
    """The command as process 1 of the image's user, on a root of which only DATA is writable.

    It is new, and TEMPORARY is in it.
    """
    if os.getuid() != 0:
        missing("a read-only root needs a mount namespace; run the tests as root")
    user, group = final("USER").text.split(":")
    options = f"uid={user},gid={group},mode=0700"
    # Python and this checkout can be in a folder of root's, as they are not in the image: the user
    # may read everything, and has no other right.
    reads = ["--bounding-set=-all,+dac_read_search", "--inh-caps=+dac_read_search"]
    ids = ["--reuid", user, "--regid", group, "--clear-groups", "--no-new-privs"]
    setpriv = ["setpriv", *ids, *reads, "--ambient-caps=+dac_read_search"]
    script = (
        f"set -e; mount -t tmpfs -o {options} tmpfs {DATA}; "
        f"install -d -m 0700 -o {user} -g {group} {TEMPORARY}; "
        f'mount -o remount,bind,ro /; cd {DATA}; exec "$@"'
    )
    namespaces = [require("unshare", "util-linux"), "--mount", "--pid", "--fork", "--mount-proc"]
    return [*namespaces, "sh", "-c", script, "sh", *setpriv, *command]


def child_of(process: subprocess.Popen[str]) -> int:
    """The process that `unshare` has made: process 1 of its namespace."""
    path = Path("/proc", str(process.pid), "task", str(process.pid), "children")
    return int(path.read_text("ascii").split()[0])


@pytest.fixture
def container() -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The image's command on an empty database, and its variables."""
    port = free_port()
    (entry,), command = final("ENTRYPOINT").words, final("CMD").words
    assert entry == "hookstream-keys"
    process = subprocess.Popen(
        in_container(COMMAND, *command, "--init"),
        env=variables(port),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        url = f"http://127.0.0.1:{port}/v1/health/ready"
        until(lambda: process.poll() is not None or _status(url) == 200)
        yield process, variables(port)
    finally:
        if process.poll() is None:
            os.kill(child_of(process), signal.SIGKILL)
        process.communicate(timeout=30)


def _status(url: str) -> int:
    try:
        return httpx.get(url, timeout=5, trust_env=False, verify=NO_TLS).status_code
    except httpx.TransportError:
        return 0


def test_it_runs_on_a_read_only_root_and_stops_on_its_signal(
    container: tuple[subprocess.Popen[str], dict[str, str]],
) -> None:
    process, environment = container
    assert process.poll() is None, process.communicate()[0]
    status = Path("/proc", str(child_of(process)), "status").read_text("ascii")
    assert re.search(r"^Uid:\t10001\t10001\t10001\t10001$", status, re.M)
    assert re.search(r"^NSpid:\t\d+\t1$", status, re.M)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.M)
    check = json.loads(final("HEALTHCHECK").text.partition(" CMD ")[2])
    found = [
        subprocess.run(
            [sys.executable, *check[1:]], env=each, check=False, capture_output=True
        ).returncode
        for each in (environment, {**environment, "HOOKSTREAM_PORT": str(free_port())})
    ]
    assert found == [0, 1]
    os.kill(child_of(process), signal.Signals[final("STOPSIGNAL").text])
    assert process.wait(15) == 0


def test_the_container_of_the_test_is_read_only() -> None:
    # Otherwise the test above would prove nothing.
    command = "touch ok; touch temporary/ok; touch /var/tmp/no"
    done = subprocess.run(
        in_container("sh", "-c", command), capture_output=True, text=True, check=False
    )
    assert done.stderr.count("\n") == 1
    assert "'/var/tmp/no': " in done.stderr
