"""Breaking changes from one OpenAPI document to another: `python breaking_changes.py OLD NEW`.

It prints them, and its exit status is 1 when there is one that accepted_changes.toml has not.
api-smart-diff compares parameters, bodies and headers. What docs/compatibility.md promises beyond,
or decides otherwise, is here.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
ACCEPTED = HERE / "accepted_changes.toml"
METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")

#: Generated code uses the names of schemas and of enumerations' values, from this version on.
NAMES_ARE_STABLE_FROM = (0, 3, 0)

Document = dict[str, Any]


def breaking_changes(before: Document, after: Document) -> list[str]:
    """Where `after` breaks a client of `before`, a line each; empty when it only adds."""
    return [
        *_of_operations(_operations(before), _operations(after)),
        *_of_authentication(before, after),
        *_of_bodies(before, after),
        *_of_names(before, after),
    ]


def _operations(document: Document) -> dict[str, Document]:
    """The operations, by method and path, with the security that applies to each."""
    return {
        f"{method.upper()} {path}": {"security": document.get("security", []), **item[method]}
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    }


def _of_operations(before: dict[str, Document], after: dict[str, Document]) -> Iterator[str]:
    for name, old in before.items():
        new = after.get(name)
        if new is None:
            yield f"{name}: is removed"
            continue
        if new["operationId"] != old["operationId"]:
            yield f"{name}: operationId was {old['operationId']}"
        if new.get("x-required-scope") not in (old.get("x-required-scope"), None):
            yield f"{name}: requires the scope {new['x-required-scope']}"
        for alternative in old["security"]:
            if new["security"] and alternative not in new["security"]:
                yield f"{name}: no longer accepts {' + '.join(alternative) or 'no credential'}"
        if new["security"] and not old["security"]:
            yield f"{name}: requires a credential"


def _of_authentication(before: Document, after: Document) -> Iterator[str]:
    schemes = after["components"]["securitySchemes"]
    for name, old in before["components"]["securitySchemes"].items():
        new = schemes.get(name, {})
        for word in ("type", "in", "name", "scheme"):
            if new.get(word) != old.get(word):
                yield f"securitySchemes/{name}: {word} was {old.get(word)}"


def _of_bodies(before: Document, after: Document) -> Iterator[str]:
    old, new = _comparable(before), _comparable(after)
    # Most operations are the same, and take the most time.
    same = [name for name, operation in old.items() if operation == new.get(name)]
    changed = [
        {name: operation for name, operation in each.items() if name not in same}
        for each in (old, new)
    ]
    for change in _differences(*map(_document, changed)):
        if _breaks(change, _document(new)):
            yield f"{'/'.join(map(str, change['path']))}: {change['action']}"


def _document(operations: dict[str, Document]) -> Document:
    """A document that has these operations, by method and path, and nothing else."""
    paths: Document = {}
    for name, operation in operations.items():
        method, path = name.split(" ", 1)
        paths.setdefault(path, {})[method.lower()] = operation
    return {"openapi": "3.0.3", "info": {}, "paths": paths}


def _differences(before: Document, after: Document) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["node", str(HERE / "breaking_changes.mjs")],
        input=json.dumps({"before": before, "after": after}),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _comparable(document: Document) -> dict[str, Document]:
    """The operations, by method and path, without references, and without security.

    api-smart-diff loses the context of a reference, and would call a field that is removed from a
    response an addition to a request. Security is compared by operation.
    """
    found = {}
    for name, operation in _operations(document).items():
        path = document["paths"][name.split(" ", 1)[1]]
        # The parameters of the path are its operations'.
        stated = [*path.get("parameters", []), *operation.get("parameters", [])]
        found[name] = _resolved(document, {**operation, "parameters": stated})
        del found[name]["security"]
    return found


def _resolved(document: Document, node: Any) -> Any:
    if isinstance(node, list):
        return [_resolved(document, part) for part in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target: Any = document
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        return _resolved(document, target)
    found = {name: _resolved(document, part) for name, part in node.items()}
    if len(found.get("allOf", ())) == 1:
        # A reference with a description or default of its own.
        (whole,) = found.pop("allOf")
        found = {**whole, **found}
    return found


def _breaks(change: dict[str, Any], after: Document) -> bool:
    """Whether a difference breaks clients, by api-smart-diff or by docs/compatibility.md."""
    path = change["path"]
    if any(str(name).startswith("x-") for name in path[-3:]):
        return False
    decided = _in_a_response(change, after) if "responses" in path else _in_a_request(change)
    return bool(change["type"] == "breaking" if decided is None else decided)


def _in_a_response(change: dict[str, Any], after: Document) -> bool | None:
    """Whether a difference of a response breaks clients; None leaves it to api-smart-diff."""
    path = change["path"]
    if path[-1] == "additionalProperties":
        # Clients ignore unknown fields in any case.
        return False
    if path[-1] == "nullable":
        return bool(change.get("after"))
    if path[-1] in ("type", "format"):
        # api-smart-diff takes another type for a wider one.
        return True
    if change["action"] == "add" and "enum" in path[-2:]:
        return not _at(after, path[: path.index("enum")]).get("x-open-enum", False)
    return None


def _in_a_request(change: dict[str, Any]) -> bool | None:
    """Whether a difference of a request breaks clients; None leaves it to api-smart-diff."""
    path = change["path"]
    if path[-1] == "nullable":
        return bool(change.get("before"))
    if change["action"] == "remove" and path[-2] == "properties":
        # The server refuses fields that it does not know.
        return True
    return None


def _at(document: Document, path: list[str | int]) -> Document:
    found: Any = document
    for name in path:
        found = found[name]
    return dict(found)


def _of_names(before: Document, after: Document) -> Iterator[str]:
    version = tuple(map(int, before["info"]["version"].split(".")))
    if version < NAMES_ARE_STABLE_FROM:
        return
    schemas = after["components"]["schemas"]
    for name, old in before["components"]["schemas"].items():
        if name not in schemas:
            yield f"schemas/{name}: is removed"
            continue
        constants = schemas[name].get("x-enum-varnames", [])
        for constant in old.get("x-enum-varnames", []):
            if constant not in constants:
                yield f"schemas/{name}: the constant {constant} is removed"


def accepted_changes() -> dict[str, str]:
    """The breaking changes that the next release makes on purpose, as patterns: their reasons."""
    stated = tomllib.loads(ACCEPTED.read_text(encoding="utf-8"))
    return {
        pattern: group["reason"]
        for group in stated.get("accepted", [])
        for pattern in group["changes"]
    }


def reason_of(change: str) -> str | None:
    """Why a breaking change is accepted; None if it is not."""
    return next(
        (why for pattern, why in accepted_changes().items() if fnmatchcase(change, pattern)), None
    )


def read(path: Path) -> Document:
    """The document in a file of YAML or JSON."""
    document: Document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def main() -> int:
    before, after = map(Path, sys.argv[1:])
    reasons = {change: reason_of(change) for change in breaking_changes(read(before), read(after))}
    refused = [change for change, reason in reasons.items() if reason is None]
    for change, reason in reasons.items():
        print(change if reason is None else f"{change} (accepted: {reason})")
    print(f"{len(refused)} breaking changes, {len(reasons) - len(refused)} accepted.")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
