"""Look-ahead: the key that a request is about is looked up together with its caller's.

Where the database is on the network, a look-up waits for it, and two that are asked at once wait
once. What is found is used after authentication only.
"""

from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Receive, Scope, Send

from hookstream_keys.context import request as requests
from hookstream_keys.contract.schemas import parse_json
from hookstream_keys.domain import keys
from hookstream_keys.domain.errors import BadRequest
from hookstream_keys.handlers import LOOKED_UP
from hookstream_keys.http.body_reader import replay
from hookstream_keys.http.per_operation import PerOperationMiddleware
from hookstream_keys.store import Store


class LookAhead(PerOperationMiddleware):
    """Begins to find the key that a request's body names, before its caller is known."""

    def __init__(self, app: ASGIApp, store: Store) -> None:
        super().__init__(app)
        self._store = store

    def prepare(self, operation: AbstractOperation) -> ASGIApp:
        """Find the field of the body that has a key, if the operation looks up any."""
        field = LOOKED_UP.get(operation.operation_id)
        return self.app if field is None else _LookedAhead(self.app, self._store, field)


class _LookedAhead:
    """An operation that looks up the key in a field of its body."""

    def __init__(self, app: ASGIApp, store: Store, field: str) -> None:
        self._next = app
        self._store = store
        self._field = field

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on as it is."""
        raw: bytes = (await receive()).get("body", b"")
        digest = keys.digest_of(self._key(raw), requests.of(scope).random)
        if digest is not None:
            self._store.look_ahead([digest])
        await self._next(scope, replay(raw, receive), send)

    def _key(self, raw: bytes) -> str:
        """The text of the field; empty where validation will refuse the body."""
        try:
            body = parse_json(raw)
        except BadRequest:
            return ""
        text = body.get(self._field) if isinstance(body, dict) else None
        return text if isinstance(text, str) else ""
