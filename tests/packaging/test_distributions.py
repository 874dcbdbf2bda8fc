"""The wheel in an empty environment outside the checkout; the sdist; an editable install."""

import json
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import support
from support import Database, Tenant, serving

ROOT = Path(__file__).parents[2]

WHERE = (
    "import hookstream_keys, hookstream_keys.handlers as h, hookstream_keys.store as s, json;"
    "from hookstream_keys.contract import spec;"
    "print(json.dumps([hookstream_keys.__file__, h.__file__, s.__file__, len(spec.source())]))"
)


def names_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def the(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def test_the_wheel_is_one_import_name_with_the_document_inside(distributions: Path) -> None:
    wheel = the(distributions, "*.whl")
    names = names_in(wheel)
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"hookstream_keys"}
    with zipfile.ZipFile(wheel) as archive:
        inside = archive.read("hookstream_keys/openapi.yaml")
    assert inside == (ROOT / "openapi.yaml").read_bytes()
    for name in (
        "py.typed",
        "reference/index.html",
        "swagger_ui/index.html",
        "handlers/api_keys.py",
        "store/sqlite/engine.py",
    ):
        assert f"hookstream_keys/{name}" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_the_sdist_builds_by_itself(distributions: Path) -> None:
    # `build` makes the wheel from the sdist, so what it lacked would be missing there, too.
    with tarfile.open(the(distributions, "*.tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    # The link in the package becomes the file itself.
    assert {"hookstream_keys/openapi.yaml", "pyproject.toml", "README.md", "LICENSE"} <= names


def test_the_wheel_serves_and_issues_where_nothing_else_is(
    distributions: Path,
    install: Callable[..., Path],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs = install(the(distributions, "*.whl"))
    # What is not ours must not be taken for ours.
    for name in ("store", "handlers"):
        database.path.with_name(f"{name}.py").write_text("raise ImportError('not this one')\n")
    monkeypatch.setattr(support, "COMMAND", str(programs / "hookstream-keys"))
    tenant = database.run_init()
    with serving(database, workers=2) as server:
        answer = server.request(
            "POST",
            "/auth/api-keys",
            json={"name": "From the wheel", "org_id": tenant.org_id, "env_id": tenant.env_id},
            headers={"X-API-Key": tenant.key},
        )
        assert server.request("GET", "/ui/swagger-ui.css").status_code == 200
        assert server.request("GET", "/reference/styles.min.css").status_code == 200
    assert answer.status_code == 201
    _assert_valid(programs, database, answer.json()["key"])
    files, _ = _where(programs, database.path.parent)
    assert all("site-packages/hookstream_keys/" in path for path in files)


def test_an_editable_install_runs_the_checkout(
    checkout: Path,
    install: Callable[..., Path],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs = install("--editable", checkout, lock="requirements-postgresql.lock")
    monkeypatch.setattr(support, "COMMAND", str(programs / "hookstream-keys"))
    tenant: Tenant = database.run_init()
    _assert_valid(programs, database, tenant.key)
    files, size = _where(programs, database.path.parent)
    # Through the links, each once.
    assert [Path(path).resolve().parent for path in files] == [
        checkout / "hookstream_keys",
        checkout / "handlers",
        checkout / "store",
    ]
    assert size == len((checkout / "openapi.yaml").read_bytes())


def _where(programs: Path, folder: Path) -> tuple[list[str], int]:
    done = subprocess.run(
        [programs / "python", "-c", WHERE], capture_output=True, text=True, check=True, cwd=folder
    )
    *files, size = json.loads(done.stdout)
    return files, size


def _assert_valid(programs: Path, database: Database, key: str) -> None:
    done = subprocess.run(
        [programs / "hookstream-keys", "keys", "verify"],
        input=key,
        text=True,
        check=False,
        capture_output=True,
        cwd=database.path.parent,
    )
    assert done.returncode == 0, done.stderr
