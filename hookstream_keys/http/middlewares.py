"""Connexion's middlewares, prepared once per operation instead of per request.

Connexion reads the document, and passes each operation to each middleware, which prepares it. A
request then passes `Routing`, `LookAhead` where the database is on the network, `Security`,
`Validation` and `HandlerDispatcher`, which answers it; only documentation pages go on to Flask.

These rely on little of Connexion, and a test fails when an upgrade changes it.
"""

from connexion.middleware.response_validation import (
    ResponseValidationMiddleware as ResponseValidation,
)

from hookstream_keys.http.dispatch import HandlerDispatcher
from hookstream_keys.http.look_ahead import LookAhead
from hookstream_keys.http.routing import Routing
from hookstream_keys.http.security import Security
from hookstream_keys.http.validation import Validation

__all__ = [
    "HandlerDispatcher",
    "LookAhead",
    "ResponseValidation",
    "Routing",
    "Security",
    "Validation",
]
