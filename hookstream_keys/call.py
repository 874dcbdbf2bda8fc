"""What a handler is given besides its input."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hookstream_keys.principal import Principal
from hookstream_keys.store import Store

#: A handler's answer: the body (a JSON value, or bytes), the status, and headers if there are any.
Answer = tuple[Any, int] | tuple[Any, int, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Call:
    """One request, free of HTTP: where the data is, who asks, and what the audit log records."""

    store: Store
    principal: Principal
    request_id: str
    #: The client's address, or None for the command line.
    address: str | None
    now: datetime
