"""The API's operations, asked for at the machine instead of over HTTP."""

from typing import Any

from hookstream_keys import ids, parameters, spec, timestamps
from hookstream_keys.call import Answer, Call
from hookstream_keys.handlers import OPERATIONS, WRITING
from hookstream_keys.principal import Operator
from hookstream_keys.recheck import write_call
from hookstream_keys.schemas import check_body
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
        return handler(operators_call(store), **arguments)
    # As over HTTP: what the change relies on is looked up in the transaction of the change.
    with store.together():
        call = write_call(operators_call(store), store, _unchecked, optional=False)
        return handler(call, **arguments)


def operators_call(store: Store) -> Call:
    """A call of the operator's, at this moment."""
    return Call(store, Operator(), ids.new("req"), None, timestamps.now())


def _unchecked(*_: object) -> None:
    """Stands for credentials, of which the operator has none."""
