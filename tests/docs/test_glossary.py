"""docs/glossary.md has every term of the API, each in one sentence, in alphabetical order.

A term of the API is what a client writes or reads by name: a schema, a field, a value of an enum,
a parameter, a header of this API's own, a scope or a role.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from support.readme import ROOT

from hookstream_keys.contract import spec

PAGE = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (.+?) \| (.+) \|$", PAGE, re.MULTILINE)[1:]
DOCUMENT = spec.load()
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]


def explained() -> set[str]:
    """The terms of the first column, and the schemas that are listed for what they share."""
    terms = {term.strip("`") for term, _ in ROWS}
    families = [meaning for _, meaning in ROWS if re.search(r": (`\w+`, )+`\w+`\.$", meaning)]
    return terms | {name for meaning in families for name in re.findall(r"`(\w+)`", meaning)}


def maps(node: Any) -> Iterator[dict[str, Any]]:
    """Every mapping of a part of the document, examples apart."""
    if isinstance(node, dict):
        yield node
        for name, child in node.items():
            if name not in ("example", "examples", "x-codeSamples"):
                yield from maps(child)
    elif isinstance(node, list):
        for child in node:
            yield from maps(child)


def fields() -> set[str]:
    return {
        name
        for part in maps(SCHEMAS)
        if isinstance(part.get("properties"), dict) and "type" in part
        for name in part["properties"]
    }


def values() -> set[str]:
    """The values of enums; numbers, versions and null explain themselves."""
    found = [value for part in maps(SCHEMAS) for value in _enum(part)]
    return {value for value in found if isinstance(value, str) and not value[0].isdigit()}


def _enum(part: dict[str, Any]) -> list[Any]:
    listed = part.get("enum")
    return listed if isinstance(listed, list) else []


def parameters() -> set[str]:
    return {part["name"] for part in maps(DOCUMENT) if "in" in part and "schema" in part}


def headers() -> set[str]:
    """The names of response headers that are not HTTP's own."""
    named = {
        name
        for part in maps(DOCUMENT)
        if isinstance(part.get("headers"), dict) and "description" in part
        for name in part["headers"]
    }
    return {name for name in named if re.match(r"X-|RateLimit-|Idempotency-|set-auth-", name)}


def scopes_and_roles() -> set[str]:
    asked = {operation.required_scope for operation in spec.operations(DOCUMENT)}
    return {scope for scope in asked if scope} | set(DOCUMENT["x-rights"]["roles"])


@pytest.mark.parametrize(
    "terms", [set(SCHEMAS), fields(), values(), parameters(), headers(), scopes_and_roles()]
)
def test_every_term_of_the_api_is_explained(terms: set[str]) -> None:
    assert len(terms) > 8
    assert terms - explained() == set()


def test_every_meaning_is_one_sentence() -> None:
    assert len(ROWS) > 250
    for term, meaning in ROWS:
        assert meaning.endswith("."), term
        assert not re.search(r"\. [A-Z]", meaning), term


def test_the_terms_are_in_alphabetical_order_and_explained_once() -> None:
    terms = [term for term, _ in ROWS]
    assert terms == sorted(set(terms), key=_place)


def _place(term: str) -> tuple[str, str]:
    words = re.sub(r"[_:.-]", " ", term.lower())
    return re.sub(r"[^a-z0-9 ]", "", words), term
