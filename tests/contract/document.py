"""The document as this project's own Schemathesis runs read it.

It is derived from `openapi.yaml`, with two differences from the served one:

- response bodies are closed, so that an undocumented field is a failure;
- a link has `requestBody` where the served document has `x-request-body`, so that stateful runs
  follow it. Several generators refuse a `requestBody` that is an object, though OpenAPI 3.0.3
  ("Link Object") allows any value.
"""

from hookstream_keys.contract.closed_responses import closed_responses
from hookstream_keys.contract.spec import METHODS, Document


def strict(document: Document) -> Document:
    """A copy of `document` with closed responses and with the bodies of links."""
    copied = closed_responses(document)
    for item in copied["paths"].values():
        for method in METHODS:
            for response in item.get(method, {}).get("responses", {}).values():
                for link in response.get("links", {}).values():
                    if "x-request-body" in link:
                        link["requestBody"] = link.pop("x-request-body")
    return copied
