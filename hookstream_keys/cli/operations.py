"""The API's operations, called by the operator."""

from typing import Any

from hookstream_keys.context.principal import Operator
from hookstream_keys.domain import ids, timestamps
from hookstream_keys.handlers import in_process
from hookstream_keys.handlers.context import Answer, RequestContext
from hookstream_keys.store import Store


def ask(store: Store, operation_id: str, body: Any = None, **given: str | None) -> Any:
    """The body of the API's response to the operator, or None where it has no content.

    Input is validated by the document, as over HTTP. Raises ApiError.
    """
    return answer(store, operation_id, body, **given)[0]


def answer(store: Store, operation_id: str, body: Any = None, **given: str | None) -> Answer:
    """The whole response, of which `ask` returns the body. Raises ApiError."""
    return in_process.answer(operator_context(store), store, operation_id, body, **given)


def operator_context(store: Store) -> RequestContext:
    """A request by the operator, now."""
    return RequestContext(store, Operator(), ids.new("req"), None, timestamps.now())
