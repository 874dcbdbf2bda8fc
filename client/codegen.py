"""Write `hookstream_keys_client/types.py`, the bodies of `openapi.yaml` as a client sees them.

`python client/codegen.py` writes the file; `--check` compares instead, and exits with status 1 if
they differ. It needs `datamodel-code-generator`.

The types are the server's but for open enumerations, to which a minor release may add values
(`x-open-enum` in the document, docs/compatibility.md): a client reads them as `Literal[...] | str`,
so that an added value is a string, and no error.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parent
OUTPUT = HERE / "hookstream_keys_client" / "types.py"
HEADER = '"""The bodies of `openapi.yaml` as types. Generated: `tox -e codegen`."""'


def with_open_enumerations(node: Any) -> Any:
    """A copy of a part of the document, whose open enumerations accept every other string."""
    if isinstance(node, list):
        return [with_open_enumerations(each) for each in node]
    if not isinstance(node, dict):
        return node
    copy = {name: with_open_enumerations(value) for name, value in node.items()}
    if node.get("x-open-enum") is not True:
        return copy
    values = [value for value in copy.pop("enum") if value is not None]
    kind = copy.pop("type")
    # They name the values that are now in the alternative.
    copy.pop("x-enum-varnames", None)
    return copy | {"anyOf": [{"type": kind, "enum": values}, {"type": kind}]}


def main(arguments: list[str]) -> int:
    """Write or compare the file; returns the exit status."""
    document = yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "openapi.yaml")
        text = yaml.safe_dump(with_open_enumerations(document), sort_keys=False)
        source.write_text(text, encoding="utf-8")
        command = ["datamodel-codegen", "--input", str(source), "--output", str(OUTPUT)]
        # The other options are those of the server's types, in pyproject.toml.
        done = subprocess.run(
            [*command, "--custom-file-header", HEADER, *arguments], cwd=ROOT, check=False
        )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
