"""Routing: Connexion's router, used only for paths with parameters."""

from typing import Any

from connexion.middleware.abstract import ROUTING_CONTEXT
from connexion.middleware.routing import RoutingMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from hookstream_keys.contract import spec


class Routing(RoutingMiddleware):
    """Finds paths without parameters in a dictionary, and others by Connexion's router.

    The router tries one path after another, which takes as long as the rest of a request.
    """

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app)
        self._literal: dict[tuple[str, str], dict[str, str]] = {}

    def add_api(self, specification: Any, base_path: str | None = None, **options: Any) -> None:
        """Add the operations of a document."""
        super().add_api(specification, base_path=base_path, **options)
        base = specification.base_path if base_path is None else base_path
        for operation in spec.operations(specification):
            if "{" not in operation.path:
                routed = {"api_base_path": base, "operation_id": operation.id}
                self._literal[operation.method, base + operation.path] = routed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find the operation of a request, for the middlewares behind."""
        if scope["type"] == "http" and not scope.get("root_path"):
            routed = self._literal.get((scope["method"], scope["path"]))
            if routed is not None:
                scope["path_params"] = {}
                scope.setdefault("extensions", {})[ROUTING_CONTEXT] = routed
                await self.app(scope, receive, send)
                return
        await super().__call__(scope, receive, send)
