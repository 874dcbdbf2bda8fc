"""The base class of the middlewares behind the router."""

from collections.abc import Callable
from typing import Any

from connexion.middleware.abstract import ROUTING_CONTEXT, RoutedAPI, RoutedMiddleware
from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Receive, Scope, Send


class PerOperationMiddleware(RoutedMiddleware[Any]):
    """Passes a request to the application prepared for its operation, by one lookup."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app)
        self.app: ASGIApp = app
        self._prepared: dict[str, ASGIApp] = {}

    def prepare(self, operation: AbstractOperation) -> ASGIApp:
        """The application for requests of an operation of the document."""
        raise NotImplementedError

    def add_api(self, specification: Any, **options: Any) -> None:
        """Prepare every operation of a document."""
        api = _Api(specification, next_app=self.app, prepare=self.prepare, **options)
        self._prepared.update(api.operations)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that was routed."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        operation_id = scope["extensions"][ROUTING_CONTEXT]["operation_id"]
        await self._prepared[operation_id](scope, receive, send)


class _Api(RoutedAPI[Any]):
    """Connexion's iteration over a document's operations, with references resolved."""

    def __init__(
        self, *arguments: Any, prepare: Callable[[AbstractOperation], ASGIApp], **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._prepare = prepare
        self.add_paths()

    def make_operation(self, operation: AbstractOperation) -> ASGIApp:
        return self._prepare(operation)
