"""Connexion's middlewares, each doing at the start what Connexion does again for every request.

Connexion reads the document, and hands each operation of it to each middleware; what happens
for a request is prepared there, once. A request then passes `Routing`, `Security`,
`Validation` and `Handling`, and ends there; only pages, which a browser loads, go on to Flask.

What of Connexion these rely on is little, and a test fails when an upgrade changes it.
"""

from hookstream_keys.http.dispatch import HandlerDispatcher
from hookstream_keys.http.routing import Routing
from hookstream_keys.http.security import Security
from hookstream_keys.http.validation import Validation
from hookstream_keys.runtime.writer import Writer

__all__ = ["HandlerDispatcher", "Routing", "Security", "Validation", "Writer"]
