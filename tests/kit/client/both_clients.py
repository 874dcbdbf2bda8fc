"""`Client` and `AsyncClient` behind one face, so that every test runs with both."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpx
from support import NO_TLS

from hookstream_keys_client import AsyncClient, Client, Retries

#: Retries that do not wait.
AT_ONCE = Retries(first_delay=0)


class Blocking:
    """An `AsyncClient` whose methods wait for their results."""

    def __init__(self, client: AsyncClient, runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            result = method(*args, **kwargs)
            if inspect.isasyncgen(result):
                result = _all(result)
            return self._runner.run(result)

        return call


async def _all(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


@contextmanager
def client_of(
    kind: str, url: str, key: str | None, retries: Retries = AT_ONCE, timeout: float = 5
) -> Iterator[Client]:
    """A client of this kind, `sync` or `async`. Its httpx client would follow redirects."""
    options: dict[str, Any] = {
        "trust_env": False,
        "verify": NO_TLS,
        "timeout": timeout,
        "follow_redirects": True,
    }
    if kind == "sync":
        with (
            httpx.Client(**options) as http,
            Client(url, key, retries=retries, http=http) as client,
        ):
            yield client
        return
    with asyncio.Runner() as runner:
        # Made in the loop that it is used in.
        http_async = httpx.AsyncClient(**options)
        client_async = AsyncClient(url, key, retries=retries, http=http_async)
        yield cast(Client, Blocking(client_async, runner))
        runner.run(http_async.aclose())
