"""A typed client of hookstream-keys, synchronous and asynchronous, and guards for web frameworks.

`Client` and `AsyncClient` have a method for each operation; `hookstream_keys_client.guards`
protects the views of an application with API keys.
"""

from hookstream_keys_client.client import AsyncClient, Client
from hookstream_keys_client.errors import (
    ApiError,
    BadRequest,
    Conflict,
    ConnectionFailed,
    Detail,
    Forbidden,
    HookstreamError,
    IdempotencyKeyReused,
    InsufficientScope,
    InvalidResponse,
    NotFound,
    RateLimited,
    ServerError,
    Unauthorized,
    Unavailable,
)
from hookstream_keys_client.operations import Revocation
from hookstream_keys_client.responses import Secret
from hookstream_keys_client.retries import Retries

#: The version of the server that the client is released with.
__version__ = "0.2.0"

__all__ = [
    "ApiError",
    "AsyncClient",
    "BadRequest",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "Detail",
    "Forbidden",
    "HookstreamError",
    "IdempotencyKeyReused",
    "InsufficientScope",
    "InvalidResponse",
    "NotFound",
    "RateLimited",
    "Retries",
    "Revocation",
    "Secret",
    "ServerError",
    "Unauthorized",
    "Unavailable",
    "__version__",
]
