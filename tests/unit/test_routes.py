import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from connexion.frameworks.flask import flaskify_path
from connexion.frameworks.starlette import starlettify_path
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import compile_path
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from hookstream_keys.contract import spec
from hookstream_keys.contract.routes import Routes

Router = Callable[[str], str | None]

DOCUMENT = spec.load()
PATHS = list(DOCUMENT["paths"])

OVERLAPPING = [
    "/things",
    "/things/",
    "/things/{id}",
    "/things/admin",
    "/things/{id}.json",
    "/things/{id}:act",
    "/things/{id}:activate",
    "/things/v-{id}",
    "/things/{id}/parts",
    "/things/{id}/parts/{part}",
    "/things/admin/{part}",
    "/{kind}/admin",
    "/{kind}/{id}",
    "/{kind}/{id}/parts",
]


def document(paths: Iterable[str]) -> dict[str, Any]:
    return {
        "servers": [{"url": "/"}],
        "paths": {path: {"get": {"operationId": path}} for path in paths},
    }


def gate(paths: Sequence[str]) -> Router:
    routes = Routes(document(paths))

    def find(url: str) -> str | None:
        route = routes.find(url)
        return route.path if route else None

    return find


def starlette(paths: Sequence[str]) -> Router:
    """What Connexion's routing does: the first path that matches."""
    compiled = [(path, compile_path(starlettify_path(path))[0]) for path in paths]
    return lambda url: next((path for path, regex in compiled if regex.match(url)), None)


def werkzeug(paths: Sequence[str]) -> Router:
    """What Flask does, which is where the handlers are."""
    adapter = Map([Rule(flaskify_path(path), endpoint=path) for path in paths]).bind("localhost")

    def find(url: str) -> str | None:
        try:
            endpoint: str = adapter.match(url)[0]
        except HTTPException:
            return None
        return endpoint

    return find


def agreed(paths: Sequence[str], url: str) -> str | None:
    """The path that `url` belongs to. What the gate lets through the others must see alike."""
    found = gate(paths)(url)
    if found is not None:
        assert starlette(paths)(url) == found
        assert werkzeug(paths)(url) == found
    return found


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/health", "/health"),
        ("/health/ready", "/health/ready"),
        ("/auth/api-keys", "/auth/api-keys"),
        ("/openapi.yaml", "/openapi.yaml"),
        ("/openapi.json", "/openapi.json"),
        ("/ui", "/ui"),
        ("/ui/", "/ui/"),
        ("/ui/x", "/ui/{asset}"),
        ("/ui/index.html", "/ui/{asset}"),
        ("/ui/..", "/ui/{asset}"),
        ("/ui/.", "/ui/{asset}"),
        ("/ui/ ", "/ui/{asset}"),
        ("/ui/a;b", "/ui/{asset}"),
        ("/ui/a?b", "/ui/{asset}"),
        ("/ui/%2F", "/ui/{asset}"),
        ("/ui/{asset}", "/ui/{asset}"),
        ("/ui/a\n", "/ui/{asset}"),
        ("/ui/\N{LATIN SMALL LETTER E WITH ACUTE}", "/ui/{asset}"),
        ("", None),
        ("/", "/"),
        ("//", None),
        ("health", None),
        ("/Health", None),
        ("/health/", None),
        ("//health", None),
        ("/health//ready", None),
        ("/health/ready/", None),
        ("/health\n", None),
        ("/health/../health", None),
        ("/./health", None),
        ("/health%2Fready", None),
        ("/openapiXyaml", None),
        ("/openapi.yaml/", None),
        ("/auth", None),
        ("/auth/api-keys/", None),
        ("/auth/api-keys/x", "/auth/api-keys/{id}"),
        ("/auth/api-keys/verify", "/auth/api-keys/verify"),
        ("/auth/api-keys/x/y", None),
        ("/ui//", None),
        ("/ui/x/", None),
        ("/ui/x/y", None),
        ("/ui/../health", None),
        ("/static/x", None),
    ],
)
def test_an_address_belongs_to_the_path_it_looks_like(url: str, path: str | None) -> None:
    assert agreed(PATHS, url) == path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/things", "/things"),
        ("/things/", "/things/"),
        ("/things/admin", "/things/admin"),
        ("/things/admins", "/things/{id}"),
        ("/things/a", "/things/{id}"),
        ("/things/a.json", "/things/{id}.json"),
        ("/things/admin.json", "/things/{id}.json"),
        ("/things/.json", "/things/{id}"),
        ("/things/a:act", "/things/{id}:act"),
        ("/things/a:activate", "/things/{id}:activate"),
        ("/things/v-a", "/things/v-{id}"),
        ("/things/v-", "/things/{id}"),
        ("/things/v-a.json", "/things/{id}.json"),
        ("/things/a/parts", "/things/{id}/parts"),
        ("/things/admin/parts", "/things/admin/{part}"),
        ("/things/a/parts/b", "/things/{id}/parts/{part}"),
        ("/others/admin", "/{kind}/admin"),
        ("/others/a", "/{kind}/{id}"),
        ("/others/a.json", "/{kind}/{id}"),
        ("/others/a/parts", "/{kind}/{id}/parts"),
        ("/others/", None),
        ("/others", None),
        ("/things/a/other", None),
    ],
)
def test_of_overlapping_paths_the_most_specific_is_taken(url: str, path: str | None) -> None:
    assert agreed(sorted(OVERLAPPING, key=spec.specificity), url) == path


segments = st.sampled_from(["a", "ab", "v-a", "a.b", "{}", "{}.b", "{}-v", "v-{}", "{}:act"])
templates = st.lists(segments, min_size=1, max_size=3).map(
    # A name may stand in a path only once.
    lambda parts: "".join(f"/{part}".replace("{}", f"{{p{i}}}") for i, part in enumerate(parts))
)
addresses = st.lists(
    st.sampled_from(["a", "ab", "b", "v-a", "a-v", "v-a-v", "a.b", "v-a.b", ".b", "v-b:act"]),
    min_size=1,
    max_size=3,
).map(lambda parts: "/" + "/".join(parts))


@given(paths=st.lists(templates, min_size=2, max_size=6, unique=True), url=addresses)
def test_the_three_routers_agree_on_any_overlap(paths: list[str], url: str) -> None:
    ordered = sorted(paths, key=spec.specificity)
    found = agreed(ordered, url)
    assert found == starlette(ordered)(url)
    assert (found is None) is (werkzeug(ordered)(url) is None)


@pytest.mark.parametrize("path", PATHS)
def test_the_document_keeps_to_paths_on_which_they_agree(path: str) -> None:
    # Werkzeug also weighs how many pieces of literal text a segment has; `specificity` does not.
    for segment in path.split("/"):
        pieces = [piece for piece in re.split(r"\{[^}]*\}", segment) if piece]
        assert len(pieces) <= 1


def test_every_path_finds_itself_under_the_base_path() -> None:
    routes = Routes(DOCUMENT)
    for path in PATHS:
        route = routes.find("/v1" + path.replace("{asset}", "x"))
        assert route is not None
        assert route.path == "/v1" + path
        # The root has a server of its own.
        assert routes.find(path) is (route if path == "/" else None)


def test_a_route_has_the_operations_of_its_path() -> None:
    routes = Routes(DOCUMENT)
    for operation in spec.operations(DOCUMENT):
        route = routes.find("/v1" + operation.path.replace("{asset}", "x"))
        assert route is not None
        assert route.operations[operation.method] == operation


@pytest.mark.parametrize(
    ("methods", "allow"),
    [
        (["get"], "GET, HEAD, OPTIONS"),
        (["post"], "OPTIONS, POST"),
        (["post", "get", "delete"], "DELETE, GET, HEAD, OPTIONS, POST"),
        (["get", "head"], "GET, HEAD, OPTIONS"),
    ],
)
def test_allow_names_the_methods(methods: list[str], allow: str) -> None:
    item = {method: {"operationId": method} for method in methods}
    route = Routes({"servers": [{"url": "/"}], "paths": {"/x": item}}).find("/x")
    assert route is not None
    assert route.allow == allow
