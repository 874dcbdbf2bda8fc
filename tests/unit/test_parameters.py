from typing import Any

import pytest

from hookstream_keys.contract import spec
from hookstream_keys.contract.parameters import Parameter, read_all, read_integer
from hookstream_keys.domain.errors import BadRequest

CANARY = "CanaryThatMustNotBeRepeated"
LIST = [Parameter(each) for each in spec.parameters(spec.load(), "listApiKeys")]
GET = [Parameter(each) for each in spec.parameters(spec.load(), "getApiKey")]


def test_parameters_are_read_as_they_are_typed_and_get_the_defaults() -> None:
    assert read_all(LIST, {}) == {"limit": 20}
    given = {"limit": "7", "name": "7", "state": None}
    assert read_all(LIST, given) == {"limit": 7, "name": "7"}


@pytest.mark.parametrize(
    ("parameters", "given", "expected"),
    [
        (LIST, {"limit": "0"}, ["query/limit"]),
        (LIST, {"limit": CANARY}, ["query/limit"]),
        (LIST, {"name": f"\n{CANARY}"}, ["query/name"]),
        (LIST, {"state": CANARY, "limit": "101"}, ["query/limit", "query/state"]),
        (GET, {"id": f"{CANARY} "}, ["path/id"]),
        (GET, {}, ["path/id"]),
        (GET, {"id": None}, ["path/id"]),
    ],
)
def test_wrong_parameters_are_named_and_not_repeated(
    parameters: list[Parameter], given: dict[str, str | None], expected: list[str]
) -> None:
    with pytest.raises(BadRequest) as caught:
        read_all(parameters, given)
    assert [detail.location for detail in caught.value.details] == expected
    assert CANARY not in repr((caught.value.message, caught.value.details))


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("0", "integer", 0),
        ("-12", "integer", -12),
        ("true", "boolean", True),
        ("false", "boolean", False),
        ("True", "boolean", "True"),
        ("12", "string", "12"),
    ],
)
def test_a_scalar_is_what_json_spells_so(text: str, kind: str, value: Any) -> None:
    parameter = Parameter({"name": "x", "in": "query", "schema": {"type": kind}})
    assert parameter.read(text, []) == value


@pytest.mark.parametrize("text", ["", "01", "+1", "1_0", " 1", "1\n", "1.0", "1e3", "٣", "9" * 19])
def test_a_non_integer_stays_text(text: str) -> None:
    assert read_integer(text) == text
