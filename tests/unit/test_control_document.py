"""The control API's document: valid, complete, and what the sandbox has."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from openapi_spec_validator import validate

from hookstream_keys.contract import spec
from hookstream_keys.contract.schemas import check_value
from hookstream_keys.sandbox.control import OPERATIONS
from hookstream_keys.sandbox.document import document
from hookstream_keys.sandbox.states import STATES


def schemas() -> dict[str, Any]:
    found: dict[str, Any] = document()["components"]["schemas"]
    return found


def test_it_is_a_valid_document() -> None:
    validate(document())


def test_it_is_complete_in_itself() -> None:
    references = re.findall(r"\$ref: '?([^'\n]+)", yaml.safe_dump(document()))
    assert references
    assert all(each.startswith("#/components/") for each in references)


def test_each_operation_has_a_handler_and_each_handler_an_operation() -> None:
    assert {each.id for each in spec.operations(document())} == set(OPERATIONS)


def test_its_states_are_those_that_there_are() -> None:
    assert schemas()["State"]["enum"] == list(STATES)


def test_the_operations_of_faults_are_those_of_the_api() -> None:
    names = [each.id for each in spec.operations(spec.document())]
    assert schemas()["OperationId"]["enum"] == sorted(names)


def test_parameters_of_states_are_the_fields_of_keys() -> None:
    params = schemas()["StateParams"]["properties"]
    fields = spec.document()["components"]["schemas"]["CreateApiKeyRequest"]["properties"]
    for name in ("name", "scopes"):
        assert params[name] == fields[name]


def test_the_form_of_times_takes_exactly_the_days_that_exist() -> None:
    form = re.compile(schemas()["GivenTime"]["pattern"])
    existing = set()
    day = datetime(2000, 1, 1, tzinfo=UTC)
    while day.year <= 2200:
        existing.add(day.strftime("%Y-%m-%d"))
        day += timedelta(days=1)
    for year in range(2000, 2201):
        for month in range(14):
            for number in range(33):
                text = f"{year}-{month:02}-{number:02}"
                expected = text in existing and 2001 <= year <= 2199
                assert (form.search(f"{text}T00:00:00Z") is not None) == expected, text


@pytest.mark.parametrize(
    ("schema", "value", "told"),
    [
        ("GivenTime", "1.1.2026", "value is not an RFC 3339 time from the years 2001 to 2199, "),
        ("TenantName", "GW0", "value is not a name of at most 32 small letters"),
        ("OperationId", "dance", "value is not one of addMember, "),
        ("State", "a lost key", "value is not one of an environment, an active key, "),
    ],
)
def test_messages_say_in_words_what_is_accepted(schema: str, value: str, told: str) -> None:
    (detail,) = check_value(schemas()[schema], value, "body")
    assert detail.message.startswith(told)
    assert "^" not in detail.message
