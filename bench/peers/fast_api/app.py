"""The same service as one would write it by hand with FastAPI: models, dependencies, plain `def`.

FastAPI's documentation has it that what waits for a database without `await` is a plain
function, which runs in a thread. Each thread has a connection of its own. With
BENCH_ON_LOOP=1 everything is `async def` instead, against that advice: with SQLite it is
faster, but all requests wait while one is on its way to the disk.
"""

import functools
import json
import os
import sqlite3
import threading
from collections.abc import Callable
from typing import Annotated, Any

import keystore
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.security import APIKeyHeader
from pydantic import BaseModel, ConfigDict, Field

app = FastAPI(title="API keys")
_local = threading.local()


def _connection() -> sqlite3.Connection:
    if not hasattr(_local, "connection"):
        _local.connection = keystore.connect(os.environ["BENCH_DATABASE"])
    connection: sqlite3.Connection = _local.connection
    return connection


def placed(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as it is, for a thread; or one for the event loop."""
    if os.environ.get("BENCH_ON_LOOP") != "1":
        return function

    @functools.wraps(function)
    async def on_loop(*arguments: Any, **named: Any) -> Any:
        return function(*arguments, **named)

    return on_loop


@placed
def authenticated(secret: Annotated[str, Depends(APIKeyHeader(name="X-API-Key"))]) -> keystore.Key:
    """The key that the request was sent with. Answers 401 unless it is valid."""
    key = keystore.find_key(_connection(), secret)
    if key is None or keystore.problem(key, keystore.now()) is not None:
        raise HTTPException(401, "The API key is not valid.")
    return key


Caller = Annotated[keystore.Key, Depends(authenticated)]


class Body(BaseModel):
    """A request body, without unknown fields."""

    model_config = ConfigDict(extra="forbid")


class VerifyRequest(Body):
    """Which key."""

    key: str = Field(min_length=1, max_length=512)


class CreateRequest(Body):
    """What the key is for."""

    name: str = Field(min_length=1, max_length=255)
    org_id: str = Field(min_length=1, max_length=128)
    env_id: str = Field(min_length=1, max_length=128)
    scopes: str = Field(default="*", min_length=1, max_length=1000)


class ApiKey(BaseModel):
    """A key without its secret."""

    id: str
    org_id: str
    env_id: str
    name: str
    key_prefix: str
    scopes: str
    expires_at: str | None
    metadata: dict[str, str]
    external_id: str | None
    rate_limit: str | None


class Verification(BaseModel):
    """Whether a key is valid."""

    valid: bool
    code: str
    api_key: ApiKey | None = None


class CreatedKey(BaseModel):
    """A key with its secret, shown once."""

    id: str
    name: str
    key: str
    key_prefix: str
    scopes: str
    created_at: str


@app.post("/v1/auth/api-keys/verify")
@placed
def verify(body: VerifyRequest, caller: Caller) -> Verification:
    """Verify a key."""
    key = keystore.find_key(_connection(), body.key)
    if key is None or (key.org_id, key.env_id) != (caller.org_id, caller.env_id):
        return Verification(valid=False, code="NOT_FOUND")
    code = keystore.problem(key, keystore.now()) or "VALID"
    return Verification(valid=code == "VALID", code=code, api_key=_view(key))


@app.get("/v1/auth/authorize", status_code=204, response_class=Response)
@placed
def authorize(caller: Caller, response: Response) -> None:
    """Tell a reverse proxy whether a request may pass."""
    response.headers["X-Key-Id"] = caller.id
    response.headers["X-Org-Id"] = caller.org_id
    response.headers["X-Env-Id"] = caller.env_id
    response.headers["X-Scopes"] = caller.scopes


@app.post("/v1/auth/api-keys", status_code=201)
@placed
def create(body: CreateRequest, caller: Caller, request: Request) -> CreatedKey:
    """Issue a key."""
    try:
        key_id, secret, created_at = keystore.create_key(
            _connection(),
            caller,
            org_id=body.org_id,
            env_id=body.env_id,
            name=body.name,
            scopes=body.scopes,
            address=request.client.host if request.client else None,
            canonical=_canonical,
        )
    except keystore.NoEnvironment:
        raise HTTPException(404, "There is no such environment.") from None
    return CreatedKey(
        id=key_id,
        name=body.name,
        key=secret,
        key_prefix=secret[:12],
        scopes=body.scopes,
        created_at=created_at,
    )


def _view(key: keystore.Key) -> ApiKey:
    return ApiKey(
        id=key.id,
        org_id=key.org_id,
        env_id=key.env_id,
        name=key.name,
        key_prefix=key.prefix,
        scopes=key.scopes,
        expires_at=key.expires_at,
        metadata=json.loads(key.metadata),
        external_id=key.external_id,
        rate_limit=key.rate_limit,
    )


def _canonical(row: dict[str, Any]) -> bytes:
    text = json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()
