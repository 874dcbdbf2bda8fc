"""The API's operations, called by the operator."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from hookstream_keys.context.principal import Operator
from hookstream_keys.contract import parameters
from hookstream_keys.domain import ids, timestamps
from hookstream_keys.domain.errors import ApiError, Detail
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
    return answer_in(operator_context(store), store, operation_id, body, **given)


def answer_in(
    context: RequestContext, store: Store, operation_id: str, body: Any = None, **given: str | None
) -> Answer:
    """The response in another context than that of `operator_context`. Raises ApiError."""
    with _errors_of_options():
        return store.run(in_process.answer(context, store, operation_id, body, **given))


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
    with _errors_of_options():
        found: dict[str, Any] = parameters.read_all(of_list, {"limit": limit, "cursor": cursor})
    return found


def operator_context(store: Store) -> RequestContext:
    """A request by the operator, now."""
    return RequestContext(store, Operator(), ids.new("req"), None, timestamps.now())


@contextmanager
def _errors_of_options() -> Iterator[None]:
    """Have an ApiError name what the operator wrote: an option, in place of the API's field."""
    try:
        yield
    except ApiError as error:
        error.details = tuple(
            Detail(_option(each.location), each.message) for each in error.details
        )
        raise


def _option(location: str) -> str:
    """The option of the running command that has the name of the field; else the location.

    The argument of a command is the id in the API's path.
    """
    place, _, field = location.partition("/")
    name, _, part = field.partition("/")
    running = click.get_current_context(silent=True)
    for given in running.command.params if running else ():
        if place == "path" and isinstance(given, click.Argument):
            return given.human_readable_name
        if given.name == name and isinstance(given, click.Option):
            return f"{given.opts[0]} ({part})" if part else given.opts[0]
    return location
