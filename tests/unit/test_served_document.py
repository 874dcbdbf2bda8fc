"""The document as it is published: the file, with the name of the cookie and a public URL."""

import copy
import json
from typing import Any

import pytest
import yaml

from hookstream_keys.contract import spec
from hookstream_keys.contract.served_document import SAMPLE_URL, ServedDocument


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


@pytest.mark.parametrize("url", ["https://keys.example.com", "http://[::1]:9000/a/b.c"])
def test_it_names_the_public_url(url: str) -> None:
    served = ServedDocument(public_url=url)
    document = yaml.safe_load(served.as_yaml)
    first, *others = document["servers"]
    assert first["url"] == f"{url}/v1"
    assert others == spec.document()["servers"]
    assert SAMPLE_URL.encode() not in served.as_yaml
    # Nothing else has changed.
    document["servers"] = others
    origin = "/".join(url.split("/", 3)[:3])
    assert [each for each in samples(document) if origin not in each] == []
    for each in (document, unchanged := copy.deepcopy(spec.document())):
        for operation in operations(each):
            operation.pop("x-codeSamples", None)
    assert document == unchanged


def test_better_auths_client_gets_the_path_of_the_public_url_apart() -> None:
    # It ignores `basePath` where `baseURL` has a path.
    url = "https://example.com:8443/keys"
    text = ServedDocument(public_url=url).as_yaml.decode()
    assert text.count('baseURL: "https://example.com:8443", basePath: "/keys/v1/auth"') == 2
    assert f'baseURL: "{url}"' not in text


def test_both_settings_hold_in_one_document() -> None:
    served = ServedDocument("acme", "https://keys.example.com")
    document = json.loads(served.as_json)
    assert document == yaml.safe_load(served.as_yaml)
    assert names_of_cookies(document) == ["acme.session_token"]
    assert document["servers"][0]["url"] == "https://keys.example.com/v1"


@pytest.mark.parametrize("prefix", ["/keys", "/a/b.c", "/~0/-_1"])
def test_below_a_proxys_path_the_first_server_is_there(prefix: str) -> None:
    served = ServedDocument("acme")
    below = served.below(prefix)
    document = yaml.safe_load(below.as_yaml)
    assert json.loads(below.as_json) == document
    first, *others = document.pop("servers")
    assert first == {"url": f"{prefix}/v1", "description": "Behind the reverse proxy"}
    unchanged = yaml.safe_load(served.as_yaml)
    assert others == unchanged.pop("servers")
    assert document == unchanged
    assert below.base_path == f"{prefix}/v1"


def test_a_public_url_precedes_a_proxys_path() -> None:
    served = ServedDocument(public_url="https://keys.example.com")
    assert served.below("/keys") is served
    assert ServedDocument().below("").as_yaml == spec.source()


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    items = document["paths"].values()
    return [item[method] for item in items for method in spec.METHODS if method in item]


def samples(document: dict[str, Any]) -> list[str]:
    return [
        sample["source"]
        for operation in operations(document)
        for sample in operation.get("x-codeSamples", [])
    ]
