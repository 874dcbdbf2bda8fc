"""Connexion's validation of responses, where it is enabled, and its JSON encoder."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import orjson
from connexion.datastructures import MediaTypeDict
from connexion.exceptions import NonConformingResponseBody
from connexion.validators.abstract import AbstractResponseBodyValidator

from hookstream_keys.contract.schemas import checker
from hookstream_keys.domain.errors import Detail


@lru_cache(maxsize=1024)
def _checker(schema: bytes) -> Callable[[Any], list[Detail]]:
    """The check of a schema, as JSON: Connexion makes another object of it for each response."""
    read = orjson.loads(schema)
    # It is empty for a response that the document does not describe.
    return checker(read, "body") if read else lambda _: []


class JsonResponse(AbstractResponseBodyValidator):
    """Validates a JSON response body, where responses are validated."""

    def _parse(self, stream: Iterable[bytes]) -> Any:
        raw = b"".join(stream)
        return orjson.loads(raw) if raw else None

    def _validate(self, body: Any) -> None:
        details = _checker(orjson.dumps(self._schema))(body)
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
