"""The request as the middlewares know it, parsed once."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.types import Scope

from hookstream_keys.context.principal import ANONYMOUS, Principal
from hookstream_keys.contract import spec
from hookstream_keys.domain.limits import Decision
from hookstream_keys.domain.sources import SYSTEM_RANDOM, Random

#: Its key in the ASGI scope.
_KEY = "hookstream_keys.context.request"


@dataclass(slots=True)
class Request:
    """One request. `EdgeMiddleware` creates it; later middlewares add to it."""

    id: str
    #: When it arrived, and the same as `hookstream_keys.domain.timestamps` writes it.
    moment: datetime
    now: str
    #: The client's address, or an empty text.
    address: str
    scheme: str
    #: The header fields by their names in lower case. Of several of one name, the first.
    headers: dict[bytes, bytes] = field(repr=False)
    #: What its new identifiers and secrets are made of.
    random: Random = SYSTEM_RANDOM
    #: The path before the server's own, where a trusted proxy has removed one.
    prefix: str = ""
    operation: spec.Operation | None = None
    principal: Principal = ANONYMOUS
    #: The validated path, query and body, by the handler's names.
    arguments: dict[str, Any] = field(default_factory=dict, repr=False)
    #: The decision of the rate limit, where it was checked.
    limit: Decision | None = None
    #: Whether it has waited for its share of the event loop; its pieces are charged from then on.
    has_share: bool = False
    #: What the access log tells of an error that the answer does not.
    log_reason: str | None = None

    def header(self, name: bytes) -> str | None:
        """The value of a header field, or None."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


def of(scope: Scope) -> Request:
    """The request of an ASGI scope."""
    found: Request = scope[_KEY]
    return found


def put(scope: Scope, request: Request) -> None:
    """Store the request in the scope."""
    scope[_KEY] = request
