"""The API's operations, called by the operator without HTTP."""

from typing import Any

from hookstream_keys.context.principal import Operator
from hookstream_keys.contract import parameters, spec
from hookstream_keys.contract.schemas import check_body
from hookstream_keys.domain import ids, timestamps
from hookstream_keys.handlers import OPERATIONS, WRITING
from hookstream_keys.handlers.context import Answer, RequestContext
from hookstream_keys.handlers.recheck import write_context
from hookstream_keys.store import Store


def ask(store: Store, operation_id: str, body: Any = None, **given: str | None) -> Any:
    """The body of the API's response to the operator, or None where it has no content.

    Input is validated by the document, as over HTTP. Raises ApiError.
    """
    return answer(store, operation_id, body, **given)[0]


def answer(store: Store, operation_id: str, body: Any = None, **given: str | None) -> Answer:
    """The whole response, of which `ask` returns the body. Raises ApiError."""
    document = spec.document()
    arguments = parameters.read_all(spec.parameters(document, operation_id), given)
    if body is not None:
        arguments["body"] = check_body(spec.request_schema(document, operation_id), body)
    handler = OPERATIONS[operation_id]
    if operation_id not in WRITING:
        return handler(operator_context(store), **arguments)
    # As over HTTP: the change and what it relies on are in one transaction.
    with store.group_commit():
        context = write_context(operator_context(store), store, _unchecked, optional=False)
        return handler(context, **arguments)


def operator_context(store: Store) -> RequestContext:
    """A request by the operator, now."""
    return RequestContext(store, Operator(), ids.new("req"), None, timestamps.now())


def _unchecked(*_: object) -> None:
    """Replaces the check of credentials; the operator has none."""
