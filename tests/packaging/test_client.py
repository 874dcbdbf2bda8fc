"""The client's distribution: built from the sdist, and installed without the server."""

import configparser
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import hookstream_keys
import hookstream_keys_client

ROOT = Path(__file__).parents[2]

IMPORT = """
import importlib.metadata, hookstream_keys_client as client, hookstream_keys_client.guards
assert client.__version__ == importlib.metadata.version("hookstream-keys-client")
assert repr(client.Client("http://127.0.0.1:1/v1")) == "Client('http://127.0.0.1:1/v1')"
try:
    import hookstream_keys
except ModuleNotFoundError:
    print(client.__file__)
"""


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client's sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("client")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", folder, checkout / "client"], check=True
    )
    return folder


def test_the_wheel_has_the_package_and_its_licence_only(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (licence,) = (name for name in names if name.endswith("/licenses/LICENSE"))
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
    source = ROOT / "client" / "hookstream_keys_client"
    modules = {
        f"hookstream_keys_client/{path.relative_to(source)}" for path in source.rglob("*.py")
    }
    inside = {name for name in names if ".dist-info/" not in name}
    assert inside == modules | {"hookstream_keys_client/py.typed"}


def test_the_sdist_has_what_builds_it_and_nothing_else(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        assert all(member.isfile() or member.isdir() for member in archive.getmembers())
    outside = {name for name in names if not name.startswith("hookstream_keys_client")}
    made = {"PKG-INFO", "setup.cfg"}
    assert outside - made == {"", "LICENSE", "README.md", "pyproject.toml"}


def test_the_wheel_installs_and_imports_without_the_server(built: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "environment", with_pip=True)
    programs = tmp_path / "environment" / "bin"
    (wheel,) = built.glob("*.whl")
    constraint = f"--constraint={ROOT / 'constraints.txt'}"
    subprocess.run([programs / "pip", "install", "--quiet", constraint, wheel], check=True)
    subprocess.run([programs / "pip", "check"], check=True)
    done = subprocess.run(
        [programs / "python", "-c", IMPORT],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert "site-packages/hookstream_keys_client/" in done.stdout
    listed = subprocess.run(
        [programs / "pip", "list", "--format", "freeze"], capture_output=True, text=True, check=True
    )
    found = {line.partition("==")[0].lower().replace("_", "-") for line in listed.stdout.split()}
    # httpx, and what httpx needs.
    allowed = {"anyio", "certifi", "h11", "httpcore", "httpx", "idna", "typing-extensions"}
    assert found - {"pip", "setuptools"} <= allowed | {"hookstream-keys-client"}
    assert "httpx" in found


def test_the_client_has_the_servers_version_python_and_licence() -> None:
    assert hookstream_keys_client.__version__ == hookstream_keys.__version__
    server, client = (
        tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        for path in (ROOT / "pyproject.toml", ROOT / "client" / "pyproject.toml")
    )
    for member in ("requires-python", "license"):
        assert client[member] == server[member]


def test_the_oldest_versions_promised_are_the_ones_tested() -> None:
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    tested = {line for line in tox["testenv:lowest-client"]["deps"].split() if "==" in line}
    path = ROOT / "client" / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    needed = [*project["dependencies"], *(line for lines in extras for line in lines)]
    assert tested == {re.sub(r">=([^,]+).*", r"==\1", line) for line in needed}
