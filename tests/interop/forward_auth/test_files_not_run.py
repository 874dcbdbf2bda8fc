"""The files of docs/forward-auth for proxies that are not in Debian: what can be tried without."""

import re
from typing import Any

import pytest
import yaml
from interop.forward_auth.protected import DOCS
from interop.forward_auth.test_header_fields import IDENTITY, spellings

#: Header fields that pass.
OTHER_NAMES = ["Cookie", "X-Request-Tag", "X-Key-Ids", "Ax-Scopes", "Host", "Accept", "Te"]


def loaded(name: str) -> Any:
    """A file of the docs."""
    return yaml.safe_load((DOCS / name).read_text(encoding="utf-8"))


def traefiks() -> list[str]:
    """The regular expressions of the header fields that Traefik removes, one for each use."""
    middlewares = loaded("traefik.yaml")["http"]["middlewares"]
    return [
        each["forwardAuth"]["authResponseHeadersRegex"]
        for each in middlewares.values()
        if "forwardAuth" in each
    ]


def envoys() -> list[str]:
    """The regular expression of the header fields that Envoy removes before ext_authz."""
    clients, _ = loaded("envoy.yaml")["static_resources"]["listeners"]
    manager = clients["filter_chains"][0]["filters"][0]["typed_config"]
    (early,) = manager["early_header_mutation_extensions"]
    mutations = early["typed_config"]["mutations"]
    patterns = [
        each["remove_on_match"]["key_matcher"]["safe_regex"]["regex"]
        for each in mutations
        if "remove_on_match" in each
    ]
    names = [each["remove"] for each in mutations if "remove" in each]
    # Envoy's expressions match a whole name, which it has in lower case.
    return [f"^(?:{'|'.join([*patterns, *names])})$"]


@pytest.mark.parametrize("pattern", traefiks())
def test_every_spelling_is_removed_by_traefik(pattern: str) -> None:
    for name in IDENTITY:
        assert [each for each in spellings(name) if not re.search(pattern, each)] == []
    assert [each for each in OTHER_NAMES if re.search(pattern, each)] == []


@pytest.mark.parametrize("pattern", envoys())
def test_every_spelling_is_removed_by_envoy(pattern: str) -> None:
    for name in IDENTITY:
        # Envoy has names in lower case.
        assert [each for each in spellings(name) if not re.search(pattern, each.lower())] == []
    kept = [*(name.lower() for name in OTHER_NAMES), ":path", ":method", ":authority"]
    assert [each for each in kept if re.search(pattern, each)] == []


def test_the_files_send_no_cookies_and_name_each_identity_header() -> None:
    traefik = loaded("traefik.yaml")["http"]["middlewares"]
    assert traefik["key"]["forwardAuth"]["authRequestHeaders"] == ["X-API-Key", "Authorization"]
    clients, _ = loaded("envoy.yaml")["static_resources"]["listeners"]
    filters = clients["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    ext_authz = filters[0]["typed_config"]
    allowed = [each["exact"] for each in ext_authz["allowed_headers"]["patterns"]]
    assert allowed == ["x-api-key", "x-client-address"]
    response = ext_authz["http_service"]["authorization_response"]
    named = {each["exact"] for each in response["allowed_upstream_headers"]["patterns"]}
    assert named == {name.lower().replace("_", "-") for name in IDENTITY}
