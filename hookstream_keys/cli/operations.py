"""The API's operations, asked for at the machine instead of over HTTP."""

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
    """What the API answers to the operator: a JSON value, or None where it has no content.

    The document decides what may be asked, as it does over HTTP. Raises ApiError.
    """
    return answer(store, operation_id, body, **given)[0]


def answer(store: Store, operation_id: str, body: Any = None, **given: str | None) -> Answer:
    """The whole answer, of which `ask` gives the body. Raises ApiError."""
    document = spec.document()
    arguments = parameters.read_all(spec.parameters(document, operation_id), given)
    if body is not None:
        arguments["body"] = check_body(spec.request_schema(document, operation_id), body)
    handler = OPERATIONS[operation_id]
    if operation_id not in WRITING:
        return handler(operator_context(store), **arguments)
    # As over HTTP: what the change relies on is looked up in the transaction of the change.
    with store.group_commit():
        context = write_context(operator_context(store), store, _unchecked, optional=False)
        return handler(context, **arguments)


def operator_context(store: Store) -> RequestContext:
    """A call of the operator's, at this moment."""
    return RequestContext(store, Operator(), ids.new("req"), None, timestamps.now())


def _unchecked(*_: object) -> None:
    """Stands for credentials, of which the operator has none."""
