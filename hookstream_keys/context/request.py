"""What is known of a request on its way in: found out once, and then at hand for everybody."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.types import Scope

from hookstream_keys.context.principal import ANONYMOUS, Principal
from hookstream_keys.contract import spec
from hookstream_keys.domain.limits import Decision

#: Where a request's ASGI scope has it.
_KEY = "hookstream_keys.context.request"


@dataclass(slots=True)
class Request:
    """One request. The gate makes it; who comes later adds what it finds."""

    id: str
    #: When it came, and the same as `hookstream_keys.domain.timestamps` writes it.
    moment: datetime
    now: str
    #: The client's address, or an empty text.
    address: str
    scheme: str
    #: The header fields by their names in small letters. Of several of one name, the first.
    headers: dict[bytes, bytes] = field(repr=False)
    operation: spec.Operation | None = None
    principal: Principal = ANONYMOUS
    #: What the document lets through of path, query and body, by the handler's names.
    arguments: dict[str, Any] = field(default_factory=dict, repr=False)
    #: What the limit on the API said, where it was asked.
    limit: Decision | None = None
    #: What the access log tells of an error that the answer does not.
    log_reason: str | None = None

    def header(self, name: bytes) -> str | None:
        """The value of a header field, or None."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


def of(scope: Scope) -> Request:
    """What is known of the request of an ASGI scope."""
    found: Request = scope[_KEY]
    return found


def put(scope: Scope, request: Request) -> None:
    """Let the scope have it."""
    scope[_KEY] = request
