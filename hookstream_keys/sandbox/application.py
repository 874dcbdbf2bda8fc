"""The ASGI application of a sandbox: its worlds, and the control API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Receive, Scope, Send

from hookstream_keys.app import tune_interpreter
from hookstream_keys.context import request as requests
from hookstream_keys.context.origins import Origins
from hookstream_keys.contract import spec
from hookstream_keys.contract.routes import Routes
from hookstream_keys.domain.sources import Sources
from hookstream_keys.http.connexion_app import connexion_app
from hookstream_keys.http.edge import EdgeMiddleware
from hookstream_keys.http.middlewares import Routing, Validation
from hookstream_keys.http.per_operation import PerOperationMiddleware
from hookstream_keys.http.rate_limiting import RateLimiting
from hookstream_keys.http.responses import respond
from hookstream_keys.runtime.fair_share import FairShare
from hookstream_keys.sandbox import control
from hookstream_keys.sandbox.browsers import require_local
from hookstream_keys.sandbox.document import document
from hookstream_keys.sandbox.randomness import current_random
from hookstream_keys.sandbox.tenants import Tenants
from hookstream_keys.sandbox.world import PREFIX

_WORLD = "hookstream_keys.sandbox.world"


class SandboxApplication:
    """Serves each world's API below its base URL, and the control API of each."""

    def __init__(self, tenants: Tenants, max_body_bytes: int) -> None:
        self._tenants = tenants
        self._control = _control_api(tenants, max_body_bytes)
        self._control_base = spec.base_path(document())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; the lifespan starts and stops the worlds."""
        if scope["type"] == "lifespan":
            await self._control(scope, receive, send)
            return
        world = self._tenants.own
        path: str = scope["path"]
        if path.startswith(PREFIX):
            name, slash, rest = path.removeprefix(PREFIX).partition("/")
            found = self._tenants.find(name)
            if found is not None and slash:
                world = found
                before = len((PREFIX + name).encode())
                scope = {**scope, "path": f"/{rest}", "raw_path": scope["raw_path"][before:]}
        if scope["path"].startswith(self._control_base):
            scope[_WORLD] = world
            world.streams.begin_request("control")
            await self._control(scope, receive, send)
        else:
            await world(scope, receive, send)


class _ControlDispatcher(PerOperationMiddleware):
    """Calls the handler of a control operation, and sends its answer."""

    def __init__(self, app: ASGIApp, tenants: Tenants) -> None:
        super().__init__(app)
        self._tenants = tenants

    def prepare(self, operation: AbstractOperation) -> ASGIApp:
        """Find the operation's handler. Raises KeyError when there is none."""
        return partial(self._handle, control.OPERATIONS[operation.operation_id])

    async def _handle(self, handler: control.Handler, scope: Scope, _: Receive, send: Send) -> None:
        request = requests.of(scope)
        require_local(request)
        answer = await handler(scope[_WORLD], self._tenants, **request.arguments)
        await respond(request, answer, send)


def _control_api(tenants: Tenants, max_body_bytes: int) -> ASGIApp:
    """The control API, behind the same edge and validation as the API."""

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        tenants.start()
        tune_interpreter()
        yield
        await tenants.stop()

    described = document()
    middlewares = [Routing, Validation, partial(_ControlDispatcher, tenants=tenants)]
    app = connexion_app(described, middlewares, lambda _: _not_a_view, lifespan)
    return EdgeMiddleware(
        app,
        routes=Routes(described),
        origins=Origins(),
        limiting=RateLimiting(tenants.own.application.counters, None),
        share=FairShare(),
        max_body_bytes=max_body_bytes,
        sources=Sources(random=current_random),
    )


def _not_a_view(**_: Any) -> None:
    raise RuntimeError("a control operation was reached as a page")
