"""The API's operations, called by the operator."""

from typing import Any

from hookstream_keys.context.principal import Operator
from hookstream_keys.contract import parameters
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


def page_of_organization(
    store: Store, operation_id: str, name: str, /, **wanted: str | None
) -> dict[str, Any]:
    """A page of what an organization has, under `name`. Raises ApiError.

    The operator sees every organization, so that of a nonexistent one would be an empty page.
    """
    page: dict[str, Any] = ask(store, operation_id, **wanted)
    if not page[name]:
        ask(store, "getOrganization", id=wanted["org_id"])
    return page


def page_of(limit: str | None, cursor: str | None) -> dict[str, Any]:
    """The arguments of a list that the API does not have, as its lists take them.

    Raises ApiError.
    """
    of_list = parameters.of_operation("listOrganizations")
    found: dict[str, Any] = parameters.read_all(of_list, {"limit": limit, "cursor": cursor})
    return found


def operator_context(store: Store) -> RequestContext:
    """A request by the operator, now."""
    return RequestContext(store, Operator(), ids.new("req"), None, timestamps.now())
