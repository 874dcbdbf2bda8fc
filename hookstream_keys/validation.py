"""Connexion's validation, with its own validators replaced.

Connexion as shipped builds a validator for every request, reads the body twice
with different readers, and lets NaN, lone surrogates and trailing line ends
through. These plug into its `validator_map`: JSON is read once and strictly, and
what was validated is what the handler gets.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from connexion.datastructures import MediaTypeDict
from connexion.exceptions import NonConformingResponseBody
from connexion.uri_parsing import OpenAPIURIParser
from connexion.validators.abstract import (
    AbstractRequestBodyValidator,
    AbstractResponseBodyValidator,
)
from connexion.validators.parameter import ParameterValidator
from starlette.types import Message, Receive, Scope

from hookstream_keys.errors import BadRequest, Detail
from hookstream_keys.schemas import (
    Schema,
    bad_body,
    check_body,
    check_value,
    parse_json,
    read_scalar,
)


class JsonBody(AbstractRequestBodyValidator):
    """Validates a JSON request body. The gate delivers it whole, as one message."""

    async def wrap_receive(self, receive: Receive, *, scope: Scope) -> tuple[Receive, Scope]:
        """Validate the body and give a `receive` that delivers what was validated."""
        message = await receive()
        raw = message.get("body", b"")
        if not raw:
            if self._required:
                raise bad_body("a body is required")
            return receive, scope
        body = orjson.dumps(check_body(self._schema, parse_json(raw)))
        headers = [item for item in scope["headers"] if item[0] != b"content-length"]
        headers.append((b"content-length", b"%d" % len(body)))
        replay: Iterable[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        return self._insert_messages(receive, messages=replay), {**scope, "headers": headers}


class JsonResponse(AbstractResponseBodyValidator):
    """Validates a JSON response body; used where responses are validated at all."""

    def _parse(self, stream: Iterable[bytes]) -> Any:
        raw = b"".join(stream)
        return orjson.loads(raw) if raw else None

    def _validate(self, body: Any) -> None:
        details = check_value(self._schema, body, "body")
        if details:
            raise NonConformingResponseBody(
                "; ".join(f"{detail.location}: {detail.message}" for detail in details)
            )


class Parameters(ParameterValidator):
    """Validates path, query, header and cookie parameters, and refuses unknown query parameters."""

    @staticmethod
    def validate_parameter(
        parameter_type: str, value: Any, param: Schema, _: str | None = None
    ) -> str | None:
        """What is wrong with one parameter's value, or None."""
        if value is None:
            return "is required" if param.get("required") else None
        details = check_value(param["schema"], value, parameter_type)
        return details[0].message if details else None

    def validate_request(self, request: Any) -> None:
        """Check every parameter of the request. Raises BadRequest that names each wrong one."""
        unknown = self.validate_query_parameter_list(request, self.security_query_params)
        details = [Detail(f"query/{name}", "is not a parameter here") for name in sorted(unknown)]
        for location in ("path", "query", "header", "cookie"):
            check = getattr(self, f"validate_{location}_parameter")
            for parameter in self.parameters.get(location, []):
                message = check(parameter, request)
                if message:
                    details.append(Detail(f"{location}/{parameter['name']}", message))
        if details:
            raise BadRequest("The request's parameters are not valid.", details=details)


class ParameterReader(OpenAPIURIParser):
    """Reads path and query parameters as the document types them.

    Connexion's own takes what Python's `int` takes (`1_0`, `+1`, digits of any script), and
    of a parameter that is repeated the last. Here a number is what JSON calls one, and what
    is repeated stays a list, which no scalar's schema lets through.
    """

    def resolve_params(self, params: Mapping[str, Any], _in: str) -> dict[str, Any]:
        """The parameters of a place (`path` or `query`), by name."""
        read: dict[str, Any] = {}
        for name, given in params.items():
            schema = self.param_defns.get(name, {}).get("schema", {})
            values = [given] if _in == "path" else given
            read[name] = read_scalar(values[0], schema.get("type")) if len(values) == 1 else values
        return read


class Json:
    """How Connexion writes and reads JSON: compactly."""

    @staticmethod
    def dumps(data: Any, **_: Any) -> bytes:
        """`data` as JSON text in UTF-8; bytes are such a text already."""
        return data if isinstance(data, bytes) else orjson.dumps(data)

    @staticmethod
    def loads(data: bytes | str) -> Any:
        """The value of a JSON text."""
        return orjson.loads(data)


VALIDATORS = {
    "parameter": Parameters,
    "body": MediaTypeDict({"application/json": JsonBody}),
    "response": MediaTypeDict({"application/json": JsonResponse}),
}
