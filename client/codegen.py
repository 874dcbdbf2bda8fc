"""Write `hookstream_keys_client/types.py`, the bodies of `openapi.yaml` as a client sees them.

`python client/codegen.py` writes the file; `--check` compares instead, and exits with status 1 if
they differ. It needs `datamodel-code-generator`.

A client reads *open* enumerations: a minor release of the server may add a value, which must be a
string for the client, not an error. So every enumeration of strings that a response has becomes
`Literal[...] | str`. What a client sends stays closed, so that a type checker finds a wrong value.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parent
OUTPUT = HERE / "hookstream_keys_client" / "types.py"
HEADER = '"""The bodies of `openapi.yaml` as types. Generated: `tox -e codegen`."""'

REF = "#/components/schemas/"
#: Prefix of the open copy of an enumeration that requests use as well.
OPEN = "Open"

Schema = dict[str, Any]


def client_document(document: dict[str, Any]) -> dict[str, Any]:
    """The document with open enumerations in everything that a client receives.

    An enumeration that clients only receive is opened in place. One that they also send stays, and
    gets an open copy, to which the schemas of responses refer.
    """
    schemas: dict[str, Schema] = document["components"]["schemas"]
    sent = _reachable(_bodies(document, "requestBody") | _parameters(document), schemas)
    shared = {name for name in sent if _is_enumeration(schemas[name])}
    opened = {name: schema for name, schema in schemas.items() if name in sent}
    for name, schema in schemas.items():
        if name not in sent:
            opened[name] = _open(schema, shared)
        elif name in shared:
            opened[OPEN + name] = _open(schema, shared)
    used = _reachable(set(opened) - {OPEN + name for name in shared}, opened)
    opened = {name: schema for name, schema in opened.items() if name in used}
    return {
        "openapi": document["openapi"],
        "info": document["info"],
        "paths": {},
        "components": {"schemas": opened},
    }


def _open(schema: Schema, shared: set[str]) -> Schema:
    """A copy of a schema in which enumerations of strings accept every other string as well."""

    def change(node: Schema) -> Schema:
        reference = str(node.get("$ref", "")).removeprefix(REF)
        if reference in shared:
            return {"$ref": f"{REF}{OPEN}{reference}"}
        if not _is_enumeration(node):
            return node
        values = [value for value in node["enum"] if value is not None]
        opened = {key: value for key, value in node.items() if key not in {"enum", "type"}}
        return opened | {"anyOf": [{"type": "string", "enum": values}, {"type": "string"}]}

    return cast(Schema, _map(schema, change))


def _is_enumeration(schema: Schema) -> bool:
    return schema.get("type") == "string" and "enum" in schema


def _map(node: Any, change: Callable[[Schema], Schema]) -> Any:
    if isinstance(node, dict):
        return change({key: _map(value, change) for key, value in node.items()})
    if isinstance(node, list):
        return [_map(each, change) for each in node]
    return node


def _operations(document: dict[str, Any]) -> Iterator[Schema]:
    for item in document["paths"].values():
        shared = {"parameters": item.get("parameters", [])}
        yield shared
        yield from (value for key, value in item.items() if key != "parameters")


def _bodies(document: dict[str, Any], member: str) -> set[str]:
    return _references([operation.get(member) for operation in _operations(document)])


def _parameters(document: dict[str, Any]) -> set[str]:
    used = [operation.get("parameters") for operation in _operations(document)]
    return _references([used, document["components"].get("parameters")])


def _references(node: Any) -> set[str]:
    """The schemas that a part of the document refers to."""
    found: set[str] = set()

    def note(schema: Schema) -> Schema:
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference.startswith(REF):
            found.add(reference.removeprefix(REF))
        return schema

    _map(node, note)
    return found


def _reachable(names: set[str], schemas: dict[str, Schema]) -> set[str]:
    """These schemas and all that they refer to."""
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= _references(schemas[name]) - found
    return found


def main(arguments: list[str]) -> int:
    """Write or compare the file; returns the exit status."""
    document = yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        opened = Path(folder, "openapi.yaml")
        text = yaml.safe_dump(client_document(document), sort_keys=False, width=10_000)
        opened.write_text(text, encoding="utf-8")
        command = ["datamodel-codegen", "--input", str(opened), "--output", str(OUTPUT)]
        # The other options are those of the server's types, in pyproject.toml.
        done = subprocess.run(
            [*command, "--custom-file-header", HEADER, *arguments], cwd=ROOT, check=False
        )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
