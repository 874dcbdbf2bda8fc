"""Validation: parameters and bodies against the document, by validators compiled once.

JSON is parsed once, strictly; numbers and booleans in parameters are written as in JSON; handlers
get exactly what was validated.
"""

from typing import Any
from urllib.parse import parse_qsl

from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Receive, Scope, Send

from hookstream_keys.context import request as requests
from hookstream_keys.contract.parameters import Parameter, bad_parameters
from hookstream_keys.contract.schemas import Body, bad_body, parse_json
from hookstream_keys.domain.errors import Detail
from hookstream_keys.http.per_operation import PerOperationMiddleware

JSON = "application/json"

#: How many parameters a query has at most; no operation has as many.
MAX_PARAMETERS = 100


class Validation(PerOperationMiddleware):
    """Passes valid requests on, with the handler's arguments."""

    def prepare(self, operation: AbstractOperation) -> ASGIApp:
        """Compile the operation's validators."""
        return _Validated(self.app, operation)


class _Validated:
    """An operation with its validators."""

    def __init__(self, app: ASGIApp, operation: AbstractOperation) -> None:
        self._next = app
        parameters = [Parameter(parameter) for parameter in operation.parameters]
        self._path = [each for each in parameters if each.place == "path"]
        self._query = {each.name: each for each in parameters if each.place == "query"}
        self._headers = [each for each in parameters if each.place == "header"]
        self._defaults = {
            each.name: each.default for each in self._query.values() if each.has_default
        }
        self._body: Body | None = None
        if operation.request_body:
            self._body = Body(operation.body_schema(JSON))
            self._body_required = operation.request_body.get("required", False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a valid request on. Raises BadRequest."""
        request = requests.of(scope)
        arguments: dict[str, Any] = {**self._defaults}
        details: list[Detail] = []
        if scope["query_string"]:
            self._take_query(scope["query_string"], arguments, details)
        for parameter in self._path:
            given = scope["path_params"][parameter.name]
            arguments[parameter.name] = parameter.read(given, details)
        for parameter in self._headers:
            value = request.header(parameter.name.lower().encode())
            if value is not None:
                parameter.read(value, details)
            elif parameter.required:
                details.append(Detail(parameter.where, "is required"))
        if details:
            raise bad_parameters(details)
        if self._body is not None:
            raw = (await receive()).get("body", b"")
            if raw:
                arguments["body"] = self._body.check(parse_json(raw))
            elif self._body_required:
                raise bad_body("a body is required")
        request.arguments = arguments
        await self._next(scope, receive, send)

    def _take_query(self, query: bytes, arguments: dict[str, Any], details: list[Detail]) -> None:
        given: dict[str, list[str]] = {}
        try:
            pairs = parse_qsl(
                query.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS
            )
        except ValueError:
            details.append(Detail("query", f"has more than {MAX_PARAMETERS} parameters"))
            return
        for name, value in pairs:
            given.setdefault(name, []).append(value)
        unknown = sorted(given.keys() - self._query.keys())
        details += [Detail(f"query/{name}", "is not a parameter here") for name in unknown]
        for name, parameter in self._query.items():
            values = given.get(name, [])
            if len(values) > 1:
                details.append(Detail(parameter.where, "is given more than once"))
            elif values:
                arguments[name] = parameter.read(values[0], details)
