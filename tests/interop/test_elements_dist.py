"""Stoplight Elements, as it is in this package, is what its makers released."""

import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from support.programs import require

import hookstream_keys

#: Not in package.json: its dependencies, React among them, are hundreds of packages, and the
#: released bundle holds what it needs of them.
RELEASE = "@stoplight/elements@9.0.25"
INTEGRITY = (
    "sha512-rDbNsgSCNo74lyV57cBzym+8F68/R2j7UPq4r3w5qK60"
    "8vX8APNJhTq+2MkbTjsM3bUhFIoRdI225tlI85KpCA=="
)

VENDORED = {"LICENSE", "styles.min.css", "web-components.min.js"}
VENDORED |= {"web-components.min.js.LICENSE.txt"}
OUR_OWN = {"index.html", "init.js", "reference.css"}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elements")
    packed = subprocess.run(
        [require("npm", "nodejs npm"), "pack", "--json", RELEASE],
        cwd=folder,
        capture_output=True,
        check=True,
        timeout=120,
    )
    (package,) = json.loads(packed.stdout)
    assert package["integrity"] == INTEGRITY
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / "package"


def test_the_files_of_elements_are_those_of_the_release(release: Path) -> None:
    ours = Path(hookstream_keys.__file__).parent / "reference"
    assert {file.name for file in ours.iterdir()} == VENDORED | OUR_OWN
    changed = [n for n in sorted(VENDORED) if (ours / n).read_bytes() != (release / n).read_bytes()]
    assert changed == []
