"""Parameters: text, converted by the document's schemas."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from hookstream_keys.contract import spec
from hookstream_keys.contract.schemas import Schema, checker
from hookstream_keys.domain.errors import BadRequest, Detail


class Parameter:
    """A parameter of the document, and how it is parsed."""

    def __init__(self, described: dict[str, Any]) -> None:
        schema: Schema = described["schema"]
        self.name: str = described["name"]
        #: `path`, `query` or `header`.
        self.place: str = described["in"]
        self.where = f"{self.place}/{self.name}"
        self.required: bool = described.get("required", False)
        self.has_default = "default" in schema
        self.default = schema.get("default")
        self._scalar: Callable[[Any], Any] = _SCALARS.get(schema.get("type", ""), _as_it_is)
        self._check = checker(schema, self.place)

    def read(self, given: Any, details: list[Detail]) -> Any:
        """The parsed value; errors are added to `details`."""
        value = self._scalar(given)
        wrong = self._check(value)
        if wrong:
            details.append(Detail(self.where, wrong[0].message))
        return value


@cache
def of_operation(operation_id: str) -> tuple[Parameter, ...]:
    """The parameters of an operation of the document, compiled once."""
    return tuple(map(Parameter, spec.parameters(spec.document(), operation_id)))


def read_all(parameters: Iterable[Parameter], given: Mapping[str, str | None]) -> Any:
    """The values of these parameters, by name, with their defaults.

    None is not given. Raises BadRequest, which names each invalid one.
    """
    read: dict[str, Any] = {}
    details: list[Detail] = []
    for parameter in parameters:
        text = given.get(parameter.name)
        if text is not None:
            read[parameter.name] = parameter.read(text, details)
        elif parameter.required:
            details.append(Detail(parameter.where, "is required"))
        elif parameter.has_default:
            read[parameter.name] = parameter.default
    if details:
        raise bad_parameters(details)
    return read


def bad_parameters(details: list[Detail]) -> BadRequest:
    """The error for invalid parameters."""
    return BadRequest("The request's parameters are not valid.", details=details)


#: A JSON integer that fits 64 bits.
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)


def read_integer(given: Any) -> Any:
    """The integer of a text; other values are returned unchanged."""
    return int(given) if isinstance(given, str) and _INTEGER.fullmatch(given) else given


def _boolean(given: Any) -> Any:
    return given == "true" if given in ("true", "false") else given


def _as_it_is(given: Any) -> Any:
    return given


_SCALARS = {"integer": read_integer, "boolean": _boolean}
