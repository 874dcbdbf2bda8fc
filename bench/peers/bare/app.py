"""The limit: ASGI itself, with the same statements and nothing around them.

No framework, no validation beyond what the work needs, no thread: each request runs to its
end on the event loop, and each created key is a commit of its own.
"""

import os
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Any

import keystore
import orjson

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

_connection = keystore.connect(os.environ["BENCH_DATABASE"])
_JSON = (b"content-type", b"application/json")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one request."""
    if scope["type"] != "http":
        return
    work = _WORKS.get((scope["method"], scope["path"]))
    if work is None:
        await _answer(send, 404, b"")
        return
    caller = _caller(scope["headers"])
    if caller is None:
        await _answer(send, 401, b"")
        return
    body = await _read(receive) if scope["method"] == "POST" else b""
    await _answer(send, *work(caller, body, scope))


def _verify(caller: keystore.Key, raw: bytes, _: Scope) -> tuple[int, bytes]:
    key = keystore.find_key(_connection, orjson.loads(raw)["key"])
    if key is None or (key.org_id, key.env_id) != (caller.org_id, caller.env_id):
        return 200, orjson.dumps({"valid": False, "code": "NOT_FOUND"})
    code = keystore.problem(key, keystore.now()) or "VALID"
    return 200, orjson.dumps({"valid": code == "VALID", "code": code, "api_key": _view(key)})


def _authorize(caller: keystore.Key, *_: Any) -> tuple[int, bytes, Iterable[Header]]:
    headers = (
        (b"x-key-id", caller.id.encode()),
        (b"x-org-id", caller.org_id.encode()),
        (b"x-env-id", caller.env_id.encode()),
        (b"x-scopes", caller.scopes.encode()),
    )
    return 204, b"", headers


def _create(caller: keystore.Key, raw: bytes, scope: Scope) -> tuple[int, bytes]:
    body = orjson.loads(raw)
    scopes = body.get("scopes", "*")
    try:
        key_id, secret, created_at = keystore.create_key(
            _connection,
            caller,
            org_id=body["org_id"],
            env_id=body["env_id"],
            name=body["name"],
            scopes=scopes,
            address=scope["client"][0],
            canonical=_canonical,
        )
    except keystore.NoEnvironment:
        return 404, b""
    created = {
        "id": key_id,
        "name": body["name"],
        "key": secret,
        "key_prefix": secret[:12],
        "scopes": scopes,
        "created_at": created_at,
    }
    return 201, orjson.dumps(created)


_WORKS: dict[tuple[str, str], Callable[..., Any]] = {
    ("POST", "/v1/auth/api-keys/verify"): _verify,
    ("GET", "/v1/auth/authorize"): _authorize,
    ("POST", "/v1/auth/api-keys"): _create,
}


def _caller(headers: list[Header]) -> keystore.Key | None:
    secret = next((value for name, value in headers if name == b"x-api-key"), b"")
    key = keystore.find_key(_connection, secret.decode("latin-1"))
    return key if key and keystore.problem(key, keystore.now()) is None else None


def _view(key: keystore.Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "org_id": key.org_id,
        "env_id": key.env_id,
        "name": key.name,
        "key_prefix": key.prefix,
        "scopes": key.scopes,
        "expires_at": key.expires_at,
        "metadata": orjson.loads(key.metadata),
        "external_id": key.external_id,
        "rate_limit": key.rate_limit,
    }


def _canonical(row: dict[str, Any]) -> bytes:
    text: bytes = orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
    return text


async def _read(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _answer(send: Send, status: int, body: bytes, more: Iterable[Header] = ()) -> None:
    headers = [*more]
    if status != HTTPStatus.NO_CONTENT:
        headers += [_JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
