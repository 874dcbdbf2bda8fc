import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml
from connexion.exceptions import InvalidSpecification
from connexion.spec import OpenAPISpecification, create_spec_validator
from openapi_schema_validator import OAS30Validator, oas30_format_checker
from openapi_spec_validator import OpenAPIV30SpecValidator

import hookstream_keys
from hookstream_keys.contract import spec
from hookstream_keys.contract.closed_responses import closed_responses
from hookstream_keys.handlers import OPERATIONS, PAGES, WRITING
from hookstream_keys.http.connexion_app import connexion_app

SOURCE = spec.source().decode()
DOCUMENT: spec.Document = yaml.safe_load(SOURCE)
COMPONENTS = DOCUMENT["components"]
#: An example has no field that is not described.
CLOSED = closed_responses(DOCUMENT)["components"]
ORIGINS = {"seed", "hookstream-docs", "project"}


def nodes(value: Any, at: str = "#") -> Iterator[tuple[str, Any]]:
    """Everything in the document, with where it stands."""
    yield at, value
    if isinstance(value, dict):
        for name, part in value.items():
            escaped = str(name).replace("~", "~0").replace("/", "~1")
            yield from nodes(part, f"{at}/{escaped}")
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from nodes(part, f"{at}/{index}")


def objects() -> Iterator[tuple[str, dict[str, Any]]]:
    for at, value in nodes(DOCUMENT):
        if isinstance(value, dict):
            yield at, value


def target(reference: str) -> Any:
    found: Any = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        found = found[name.replace("~1", "/").replace("~0", "~")]
    return found


def resolved(value: Any) -> Any:
    while isinstance(value, dict) and "$ref" in value:
        value = target(value["$ref"])
    return value


def raw_operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, item[method])
        for path, item in DOCUMENT["paths"].items()
        for method in spec.METHODS
        if method in item
    ]


def operation_ids() -> list[str]:
    return [operation["operationId"] for _, _, operation in raw_operations()]


def examples() -> Iterator[tuple[str, Any, Any]]:
    """Every example of a body, a parameter, a header or a schema, with the schema it is of."""
    for at, value in objects():
        if "schema" in value:
            if "example" in value:
                yield f"{at}/example", value["schema"], value["example"]
            for name, example in value.get("examples", {}).items():
                yield f"{at}/examples/{name}", value["schema"], resolved(example)["value"]
        elif "example" in value and not at.endswith("/properties"):
            yield f"{at}/example", value, value["example"]


EXAMPLES = list(examples())


# The reader


def test_the_source_is_the_file() -> None:
    assert spec.source() == (Path(hookstream_keys.__file__).parent / "openapi.yaml").read_bytes()


def test_loading_changes_nothing_but_the_order_of_paths() -> None:
    assert spec.load() == DOCUMENT


def test_what_one_caller_changes_no_other_sees() -> None:
    spec.load()["paths"].clear()
    assert spec.load() == DOCUMENT


def test_paths_are_loaded_with_the_most_specific_first() -> None:
    paths = list(spec.load()["paths"])
    assert [spec.specificity(path) for path in paths] == sorted(map(spec.specificity, paths))


@pytest.mark.parametrize(
    ("url", "base"), [("/v1", "/v1"), ("/v1/", "/v1"), ("/", ""), ("/a/b", "/a/b")]
)
def test_the_base_path_has_no_slash_at_its_end(url: str, base: str) -> None:
    assert spec.base_path({"servers": [{"url": url}]}) == base


def test_every_operation_is_listed_once() -> None:
    listed = [(operation.path, operation.method) for operation in spec.operations(DOCUMENT)]
    assert listed == [(path, method.upper()) for path, method, _ in raw_operations()]


def test_an_operation_knows_its_media_types() -> None:
    consumes = {operation.id: operation.consumes for operation in spec.operations(DOCUMENT)}
    assert consumes["createApiKey"] == ("application/json",)
    assert consumes["getHealth"] == ()


def test_the_public_operations_are_these() -> None:
    public = {operation.id for operation in spec.operations(DOCUMENT) if not operation.secured}
    assert public == {
        "getHealth",
        "getReadiness",
        "getOpenapiYaml",
        "getOpenapiJson",
        "redirectToSwaggerUi",
        "getSwaggerUi",
        "getSwaggerUiAsset",
        "getReference",
        "getReferenceAsset",
        "redirectToReference",
        "revokeBySecret",
        "signInEmail",
        "signUpEmail",
    }


def test_these_operations_accept_a_missing_credential() -> None:
    optional = [
        operation["operationId"]
        for _, _, operation in raw_operations()
        if {} in operation.get("security", [])
    ]
    assert sorted(optional) == ["getSession", "signOut"]


def test_every_operation_that_asks_for_no_scope_is_known() -> None:
    free = {
        operation.id
        for operation in spec.operations(DOCUMENT)
        if operation.secured and operation.required_scope is None
    }
    assert free == {"authorize", "whoami", "createOrganization", "getSession", "signOut"}


def test_every_scope_that_is_asked_for_is_one() -> None:
    for operation in spec.operations(DOCUMENT):
        assert re.fullmatch(r"[a-z-]+:[a-z]+", operation.required_scope or "free:now")


def test_signing_in_and_out_is_restricted_to_the_same_site() -> None:
    guarded = {operation.id for operation in spec.operations(DOCUMENT) if operation.same_site}
    assert guarded == {"signUpEmail", "signInEmail", "signOut"}


@pytest.mark.parametrize(
    ("operation", "secured"),
    [({}, True), ({"security": []}, False), ({"security": [{"a": []}]}, True)],
)
def test_an_operation_s_security_goes_before_the_document_s(
    *, operation: dict[str, Any], secured: bool
) -> None:
    document = {
        "security": [{"b": []}],
        "paths": {"/x": {"get": {"operationId": "x", **operation}}},
    }
    assert [found.secured for found in spec.operations(document)] == [secured]


def test_a_request_schema_is_found_through_its_reference() -> None:
    found = spec.request_schema(DOCUMENT, "createApiKey")
    stated = COMPONENTS["schemas"]["CreateApiKeyRequest"]
    assert found["required"] == stated["required"]
    assert found["properties"]["name"] == stated["properties"]["name"]
    assert found["properties"]["expires_at"] == COMPONENTS["schemas"]["Expiry"]
    assert "$ref" not in repr(found)


@pytest.mark.parametrize("operation_id", ["getHealth", "noSuchOperation"])
def test_without_a_body_there_is_no_request_schema(operation_id: str) -> None:
    with pytest.raises(KeyError):
        spec.request_schema(DOCUMENT, operation_id)


def test_parameters_are_found_through_their_references_those_of_the_path_first() -> None:
    found = spec.parameters(DOCUMENT, "rotateApiKey")
    for parameter, name in zip(found, ("ApiKeyId", "IdempotencyKey"), strict=True):
        stated = COMPONENTS["parameters"][name]
        assert parameter == {**stated, "schema": resolved(stated["schema"])}
    names = [parameter["name"] for parameter in spec.parameters(DOCUMENT, "revokeApiKey")]
    assert names == ["id", "reason", "descendants"]
    assert spec.parameters(DOCUMENT, "getHealth") == []


def test_an_operation_that_there_is_not_has_no_parameters() -> None:
    with pytest.raises(KeyError):
        spec.parameters(DOCUMENT, "noSuchOperation")


@pytest.mark.parametrize(
    "paths",
    [
        ["/things/admin", "/things/{id}"],
        ["/things/{id}.json", "/things/{id}"],
        ["/things/{id}:activate", "/things/{id}:act", "/things/{id}"],
        ["/things/{id}/parts", "/{kind}/admin", "/{kind}/{id}"],
        ["/a/{b}/c", "/a/{b}/{c}", "/{a}/b/c", "/{a}/{b}/{c}"],
    ],
)
def test_the_more_specific_path_is_matched_first(paths: list[str]) -> None:
    backwards = paths[::-1]
    assert sorted(backwards, key=spec.specificity) == paths


@pytest.mark.parametrize(
    ("path", "text", "matches"),
    [
        ("/a.b", "/a.b", True),
        ("/a.b", "/aXb", False),
        ("/a", "/a\n", False),
        ("/a", "/A", False),
        ("/{x}", "/a", True),
        ("/{x}", "/", False),
        ("/{x}", "/a/b", False),
        ("/{x}.json", "/a.json", True),
        ("/{x}.json", "/.json", False),
        ("/{x}/{y}", "/a/b", True),
    ],
)
def test_a_pattern_matches_a_whole_path(*, path: str, text: str, matches: bool) -> None:
    assert (spec.pattern(path).fullmatch(text) is not None) is matches


# The document


def test_the_index_lists_every_section() -> None:
    head = SOURCE[: SOURCE.index("\ninfo:")]
    listed = re.findall(r"^#   ([A-Z][A-Za-z ]*?)  ", head, re.M)
    assert listed == re.findall(r"^ *# =+\n *# (.+)\n *# =+$", SOURCE, re.M)


def test_every_section_of_paths_is_a_tag() -> None:
    paths = SOURCE[SOURCE.index("\npaths:") : SOURCE.index("\ncomponents:")]
    found = re.findall(r"^  # ([A-Z].*)$|^  (/.*):$", paths, re.M)
    tag, tags = "", dict[str, str]()
    for title, path in found:
        tag = title or tag
        if path:
            tags[path] = tag
    assert list(dict.fromkeys(tags.values())) == [each["name"] for each in DOCUMENT["tags"]]
    for path, _, operation in raw_operations():
        assert operation["tags"] == [tags[path]]


def test_it_is_valid_openapi_3_0() -> None:
    assert DOCUMENT["openapi"].startswith("3.0.")
    assert list(OpenAPIV30SpecValidator(DOCUMENT).iter_errors()) == []


def test_connexion_finds_it_valid_with_its_defaults() -> None:
    # The server validates it with another library at its start, without the defaults.
    create_spec_validator(DOCUMENT)(OpenAPISpecification.openapi_schema).validate(DOCUMENT)


def test_no_server_starts_with_an_invalid_document() -> None:
    document = {"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": {"/a": 5}}
    with pytest.raises(InvalidSpecification, match=r"^openapi\.yaml at paths//a: 5 "):
        connexion_app(document, [], lambda _: None, nullcontext)


def test_every_operation_has_a_handler_and_every_handler_an_operation() -> None:
    assert sorted(operation_ids()) == sorted([*OPERATIONS, *PAGES])
    pages = {each.id for each in spec.operations(DOCUMENT) if each.is_page}
    assert pages == set(PAGES)


def test_read_only_operations_are_safe_methods_or_verify() -> None:
    safe = {each.id for each in spec.operations(DOCUMENT) if each.method == "GET"}
    reading = safe - set(PAGES) | {"verifyApiKey", "verifyApiKeys"}
    assert set(OPERATIONS) - reading == WRITING


@pytest.mark.parametrize("operation_id", operation_ids())
def test_every_operation_names_its_source(operation_id: str) -> None:
    operation = next(
        operation
        for _, _, operation in raw_operations()
        if operation["operationId"] == operation_id
    )
    assert operation["x-origin"] in ORIGINS


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").removeprefix("#/components/schemas/")
    found: dict[str, Any] = COMPONENTS["schemas"][name] if name else schema
    return found


def test_every_property_names_its_source() -> None:
    silent = [
        f"{at}/properties/{name}"
        for at, schema in objects()
        if at.startswith("#/components/schemas/") and isinstance(schema.get("properties"), dict)
        for name, part in schema["properties"].items()
        if _resolved(part).get("x-origin") not in ORIGINS
    ]
    assert silent == []


def test_every_security_scheme_names_its_source() -> None:
    assert all(scheme["x-origin"] in ORIGINS for scheme in COMPONENTS["securitySchemes"].values())


def test_there_are_exactly_three_security_schemes() -> None:
    assert set(COMPONENTS["securitySchemes"]) == {"apiKeyHeader", "bearerToken", "sessionCookie"}


def test_every_security_scheme_that_is_asked_for_is_defined() -> None:
    asked = {
        name
        for at, value in objects()
        if isinstance(value.get("security"), list)
        for requirement in value["security"]
        for name in requirement
    }
    assert asked == set(COMPONENTS["securitySchemes"])


def test_every_reference_leads_somewhere() -> None:
    references = [value["$ref"] for _, value in objects() if "$ref" in value]
    assert references
    assert all(target(reference) for reference in references)


def test_every_component_is_used() -> None:
    used = {value["$ref"] for _, value in objects() if "$ref" in value}
    defined = {
        f"#/components/{kind}/{name}"
        for kind, parts in COMPONENTS.items()
        if kind != "securitySchemes"
        for name in parts
    }
    assert defined <= used


def _constant(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


def test_every_value_of_an_enumeration_has_a_name_of_its_own() -> None:
    """Go declares all of them in one scope, and Python ignores case in the names of members."""
    enums = {name: each for name, each in COMPONENTS["schemas"].items() if "enum" in each}
    assert len(enums) > 10
    for name, each in enums.items():
        assert each["x-enum-varnames"] == [
            # Beside `email_not_verified` there is `EMAIL_NOT_VERIFIED`, of better-auth.
            f"{_constant(name)}_{'BETTER_AUTH_' * (name == 'ErrorCode' and value.isupper())}"
            f"{_constant(value)}"
            for value in each["enum"]
            if value is not None
        ]
    names = [name for each in enums.values() for name in each["x-enum-varnames"]]
    assert len(set(names)) == len(names)


def test_no_schema_has_a_name_that_generators_make_or_that_languages_reserve() -> None:
    """Go gets `NullableX` for each schema X; TypeScript has an `Error`, C# an `Environment`."""
    names = set(COMPONENTS["schemas"])
    assert names & ({f"Nullable{name}" for name in names} | {"Error", "Environment"}) == set()


def test_a_schema_that_may_be_null_has_its_name_as_its_title() -> None:
    """openapi-python-client would call `RateLimit` without null `RateLimitType0`."""
    nullable = {
        name: each
        for name, each in COMPONENTS["schemas"].items()
        if each.get("nullable") and ("enum" in each or each["type"] == "object")
    }
    assert len(nullable) > 4
    assert {name: each["title"] for name, each in nullable.items()} == {n: n for n in nullable}


def test_everything_that_is_required_is_a_property() -> None:
    missing = [
        f"{at}: {name}"
        for at, schema in objects()
        if isinstance(schema.get("required"), list)
        for name in schema["required"]
        if name not in schema.get("properties", {})
    ]
    assert missing == []


def test_every_link_leads_to_an_operation() -> None:
    linked = [
        (at, link["operationId"])
        for at, value in objects()
        if at.endswith("/links")
        for link in map(resolved, value.values())
    ]
    assert [(at, name) for at, name in linked if name not in operation_ids()] == []


def test_no_link_has_a_request_body_which_generators_refuse() -> None:
    """tests/contract/document.py puts it back from `x-request-body`, for Schemathesis."""
    links = [
        resolved(link)
        for at, value in objects()
        if at.endswith("/links")
        for link in value.values()
    ]
    assert links
    assert not any("requestBody" in link for link in links)
    assert sum("x-request-body" in link for link in links) == 3


def test_every_parameter_of_a_path_is_declared() -> None:
    for path, _, operation in raw_operations():
        declared = [
            parameter["name"]
            for parameter in map(
                resolved,
                [*DOCUMENT["paths"][path].get("parameters", []), *operation.get("parameters", [])],
            )
            if parameter["in"] == "path"
        ]
        assert sorted(declared) == sorted(re.findall(r"\{([^}]+)\}", path))


@pytest.mark.parametrize(
    "kind", ["/requestBody/", "/responses/", "/parameters/", "/components/schemas/"]
)
def test_there_are_examples_of_every_kind(kind: str) -> None:
    assert any(kind in at for at, _, _ in EXAMPLES)


@pytest.mark.parametrize(
    ("schema", "example"),
    [(schema, example) for _, schema, example in EXAMPLES],
    ids=[at for at, _, _ in EXAMPLES],
)
def test_every_example_is_as_its_schema_says(schema: Any, example: Any) -> None:
    whole = {"allOf": [schema], "components": CLOSED}
    validator = OAS30Validator(whole, format_checker=oas30_format_checker)
    assert [error.message for error in validator.iter_errors(example)] == []


def test_a_wrong_example_would_be_noticed() -> None:
    whole = {"allOf": [{"$ref": "#/components/schemas/Health"}], "components": CLOSED}
    assert list(OAS30Validator(whole).iter_errors({"status": "ok"})) == []
    for wrong in ({}, {"status": "sick"}, {"status": "ok", "more": 1}):
        assert list(OAS30Validator(whole).iter_errors(wrong))


@pytest.mark.parametrize(
    "name", ["x-openapi-router-controller", r"x-[A-Za-z]+Func\b", r"hookstream_keys\.", r"\.py\b"]
)
def test_the_document_names_no_implementation(name: str) -> None:
    assert re.search(name, SOURCE) is None


def test_no_operation_id_is_a_path_into_code() -> None:
    assert all(re.fullmatch("[a-z][A-Za-z]*", name) for name in operation_ids())
