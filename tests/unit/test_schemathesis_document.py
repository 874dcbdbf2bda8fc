"""The document of this project's Schemathesis runs differs from the served one as it says."""

from typing import Any

from contract.document import strict

from hookstream_keys.contract import spec
from hookstream_keys.contract.closed_responses import closed_responses


def links(document: spec.Document) -> dict[str, Any]:
    return {
        f"{operation['operationId']} {name}": link
        for item in document["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict)
        for response in operation["responses"].values()
        for name, link in response.get("links", {}).items()
    }


def test_the_links_with_a_body_are_these() -> None:
    found = links(strict(spec.document()))
    assert {name: link["requestBody"] for name, link in found.items() if "requestBody" in link} == {
        "createApiKey VerifyApiKey": {"key": "$response.body#/key"},
        "createApiKey RevokeBySecret": {"key": "$response.body#/key"},
        "rotateApiKey VerifyApiKey": {"key": "$response.body#/key"},
    }


def test_nothing_else_differs_from_the_closed_form() -> None:
    before, after = closed_responses(spec.document()), strict(spec.document())
    for document, word in ((before, "x-request-body"), (after, "requestBody")):
        bodies = [link.pop(word, None) for link in links(document).values()]
        assert len(list(filter(None, bodies))) == 3
    assert before == after


def test_the_shared_document_stays_as_it_is() -> None:
    strict(spec.document())
    assert spec.load() == spec.document()
    assert all("requestBody" not in link for link in links(spec.document()).values())
