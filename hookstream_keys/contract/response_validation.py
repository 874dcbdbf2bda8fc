"""Connexion's validation of responses, where it is enabled, and its JSON encoder."""

from collections.abc import Iterable
from typing import Any

import orjson
from connexion.datastructures import MediaTypeDict
from connexion.exceptions import NonConformingResponseBody
from connexion.validators.abstract import AbstractResponseBodyValidator

from hookstream_keys.contract.schemas import check_value


class JsonResponse(AbstractResponseBodyValidator):
    """Validates a JSON response body, where responses are validated."""

    def _parse(self, stream: Iterable[bytes]) -> Any:
        raw = b"".join(stream)
        return orjson.loads(raw) if raw else None

    def _validate(self, body: Any) -> None:
        details = check_value(self._schema, body, "body")
        if details:
            raise NonConformingResponseBody(
                "; ".join(f"{detail.location}: {detail.message}" for detail in details)
            )


class Json:
    """How Connexion writes and reads JSON: compactly."""

    @staticmethod
    def dumps(data: Any, **_: Any) -> bytes:
        """`data` as JSON text in UTF-8; bytes are already encoded."""
        return data if isinstance(data, bytes) else orjson.dumps(data)

    @staticmethod
    def loads(data: bytes | str) -> Any:
        """The value of a JSON text."""
        return orjson.loads(data)


VALIDATORS = {"response": MediaTypeDict({"application/json": JsonResponse})}
