"""Whether the document allows a request: apart from the application, which a fault may replace."""

import re
from collections.abc import Mapping
from functools import cache
from urllib.parse import parse_qsl

from hookstream_keys.contract import parameters, spec
from hookstream_keys.contract.schemas import checker, parse_json
from hookstream_keys.domain.errors import BadRequest, Detail

_NAME = re.compile(r"\{([^}]*)\}")


class _OperationCheck:
    """The parameters and the body of an operation, prepared once."""

    def __init__(self, operation: spec.Operation) -> None:
        document = spec.document()
        path = spec.base_path(document) + operation.path
        literals = (re.escape(part) for part in _NAME.split(path)[::2])
        self._path = re.compile("([^/]+)".join(literals))
        self._path_names = _NAME.findall(path)
        self._parameters = {
            _key(each.place, each.name): each for each in parameters.of_operation(operation.id)
        }
        self._consumes = operation.consumes
        schema = spec.request_schema(document, operation.id) if operation.consumes else {}
        self._check_body = checker(schema, "body")
        _, described = spec.operation_of(document, operation.id)
        self._is_body_required = described.get("requestBody", {}).get("required", False)

    def problems(
        self, path: str, query: bytes, headers: Mapping[str, str], body: bytes
    ) -> list[Detail]:
        """Where the request differs from the document."""
        details: list[Detail] = []
        given: list[tuple[str, str, str]] = []
        found = self._path.fullmatch(path)
        if found is not None:
            # Decoded already.
            given += [
                ("path", name, value)
                for name, value in zip(self._path_names, found.groups(), strict=True)
            ]
        given += [
            ("query", name, value)
            for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        ]
        given += [("header", name, value) for name, value in headers.items()]
        values: dict[tuple[str, str], list[str]] = {}
        for place, name, value in given:
            values.setdefault(_key(place, name), []).append(value)
        for key, sent in values.items():
            parameter = self._parameters.get(key)
            if parameter is not None:
                # As the server does: a repeated parameter is a list, which no schema accepts.
                parameter.read(sent[0] if len(sent) == 1 else sent, details)
            elif key[0] == "query":
                details.append(Detail(f"query/{key[1]}", "is not a parameter here"))
        details += [
            Detail(parameter.where, "is required")
            for key, parameter in self._parameters.items()
            if parameter.required and key not in values
        ]
        return details + self._problems_of_body(headers.get("content-type", ""), body)

    def _problems_of_body(self, content_type: str, body: bytes) -> list[Detail]:
        if not self._consumes:
            return []
        if not body:
            return [Detail("body", "a body is required")] if self._is_body_required else []
        if content_type.partition(";")[0].strip().lower() not in self._consumes:
            return [Detail("header/content-type", f"is not {' or '.join(self._consumes)}")]
        try:
            return self._check_body(parse_json(body))
        except BadRequest as error:
            return list(error.details)


def _key(place: str, name: str) -> tuple[str, str]:
    """What a parameter is found by: only header names may be in capital letters."""
    return place, name.lower() if place == "header" else name


@cache
def _check(operation_id: str) -> _OperationCheck:
    return _OperationCheck(spec.operation(operation_id))


def problems(
    operation: spec.Operation | None,
    path: str,
    query: bytes,
    headers: Mapping[str, str],
    body: bytes,
) -> list[Detail]:
    """Where a request differs from the document: an empty list for a valid one.

    `path` begins with the document's base path; the names of `headers` are in lower case.
    """
    if operation is None:
        return [Detail("path", "the document has no such path with this method")]
    return _check(operation.id).problems(path, query, headers, body)
