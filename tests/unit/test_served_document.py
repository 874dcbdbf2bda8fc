"""The document as it is published: the file, or the same with another name of the cookie."""

import json
from typing import Any

import pytest
import yaml

from hookstream_keys.contract import spec
from hookstream_keys.contract.served_document import ServedDocument


def names_of_cookies(document: dict[str, Any]) -> list[str]:
    schemes = document["components"]["securitySchemes"].values()
    return [scheme["name"] for scheme in schemes if scheme.get("in") == "cookie"]


def test_without_a_setting_it_is_the_file() -> None:
    assert ServedDocument().as_yaml == spec.source()
    assert json.loads(ServedDocument().as_json) == spec.document()


@pytest.mark.parametrize("prefix", ["better-auth", "acme"])
def test_the_json_is_the_same_document_in_the_same_order(prefix: str) -> None:
    served = ServedDocument(prefix)
    assert json.loads(served.as_json) == yaml.safe_load(served.as_yaml)
    assert list(json.loads(served.as_json)["paths"]) == list(spec.document()["paths"])


@pytest.mark.parametrize("prefix", ["acme", "acme_auth.v2", "0", "-", "...", "true", "1e5"])
def test_it_names_the_cookie_that_is_set(prefix: str) -> None:
    served = ServedDocument(prefix)
    document = yaml.safe_load(served.as_yaml)
    assert names_of_cookies(document) == [f"{prefix}.session_token"]
    assert b"better-auth.session_token" not in served.as_yaml
    assert f"__Secure-{prefix}.session_token" in document["info"]["description"]
    # Nothing else has changed.
    before, after = (
        text.replace("better-auth.session_token", "X").replace(f"{prefix}.session_token", "X")
        for text in (spec.source().decode(), served.as_yaml.decode())
    )
    assert before == after
