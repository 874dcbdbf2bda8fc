"""Documentation pages, which Flask serves."""

import functools
from typing import Any

from connexion.context import operation, scope

from hookstream_keys.context import request as requests
from hookstream_keys.contract.served_document import ServedDocument
from hookstream_keys.domain import versions
from hookstream_keys.handlers import PAGES, PageHandler
from hookstream_keys.handlers.context import Answer


def page(operation_id: str, served: ServedDocument) -> PageHandler:
    """The view function of a page for Flask. For an operation of the API it raises."""
    handler = PAGES.get(operation_id)
    if handler is None:
        return _not_a_page

    @functools.wraps(handler)
    def answer(**arguments: Any) -> Answer:
        if operation.operation_id != operation_id:
            # Connexion's router and Flask's disagree: fail closed.
            raise RuntimeError(f"{operation_id} was reached as {operation.operation_id}")
        request = requests.of(scope)
        body, status, *rest = handler(served.below(request.prefix), **arguments)
        headers = rest[0] if rest else {}
        known = request.header(b"if-none-match")
        if known is not None and versions.is_known(known, headers.get("ETag", "")):
            # Flask leaves out the fields that describe a body.
            body, status = None, 304
        # Here as well as in `EdgeMiddleware`: the document requires it of validated responses.
        request_id = {"X-Request-Id": request.id}
        return body, status, {**request_id, **headers}

    return answer


def _not_a_page(**_: Any) -> Answer:
    raise RuntimeError("an operation of the API was reached as a page")
