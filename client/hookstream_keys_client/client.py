"""`Client` and `AsyncClient`: the same methods, which send operations with httpx.

Only here is input and output. What is sent is in `operations.py`, what follows from a response in
`attempts.py`.
"""

import asyncio
import functools
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload
from urllib.parse import urlsplit

import httpx

from hookstream_keys_client import operations
from hookstream_keys_client.attempts import Attempts, Result, http_request
from hookstream_keys_client.deadlines import Deadline
from hookstream_keys_client.errors import ConnectionFailed
from hookstream_keys_client.operations import Operation, PageOperation
from hookstream_keys_client.responses import Response, Secret
from hookstream_keys_client.retries import Retries, connection_failed

ParametersT = ParamSpec("ParametersT")
ValueT = TypeVar("ValueT")
ItemT = TypeVar("ItemT")
PageT = TypeVar("PageT")

#: Seconds for each of: connecting, sending, waiting for the next part of the response.
DEFAULT_TIMEOUT = 10.0

#: Nothing after the path, no user, and no backslash, which some read as a slash.
_BASE_URL = re.compile(r"(?i:https?)://[^\s\x00-\x20\x7f?#@\\]+")
_CREDENTIAL = re.compile(r"[\x21-\x7e]+")


class _Method(Generic[ParametersT, ValueT]):
    """A method of `Client`: it builds an operation and sends it."""

    def __init__(self, operation: Callable[ParametersT, Operation[ValueT]]) -> None:
        self._operation = operation

    @overload
    def __get__(self, client: None, owner: type) -> Callable[ParametersT, Operation[ValueT]]: ...
    @overload
    def __get__(self, client: "Client", owner: type) -> Callable[ParametersT, ValueT]: ...
    def __get__(self, client: "Client | None", owner: type) -> Callable[ParametersT, Any]:
        if client is None:
            return self._operation

        @functools.wraps(self._operation)
        def method(*args: ParametersT.args, **kwargs: ParametersT.kwargs) -> ValueT:
            return client.send(self._operation(*args, **kwargs))

        return method


class _Iteration(Generic[ParametersT, PageT, ItemT]):
    """A method of `Client` that iterates over the items of all pages."""

    def __init__(self, operation: Callable[ParametersT, PageOperation[PageT, ItemT]]) -> None:
        self._operation = operation

    @overload
    def __get__(
        self, client: None, owner: type
    ) -> Callable[ParametersT, PageOperation[PageT, ItemT]]: ...
    @overload
    def __get__(self, client: "Client", owner: type) -> Callable[ParametersT, Iterator[ItemT]]: ...
    def __get__(self, client: "Client | None", owner: type) -> Callable[ParametersT, Any]:
        if client is None:
            return self._operation

        @functools.wraps(self._operation)
        def method(*args: ParametersT.args, **kwargs: ParametersT.kwargs) -> Iterator[ItemT]:
            following: PageOperation[PageT, ItemT] | None = self._operation(*args, **kwargs)
            while following is not None:
                page = client.send(following)
                yield from following.items(page)
                following = following.following(page)

        return method


class _AsyncMethod(Generic[ParametersT, ValueT]):
    """A method of `AsyncClient`: it builds an operation and sends it."""

    def __init__(self, operation: Callable[ParametersT, Operation[ValueT]]) -> None:
        self._operation = operation

    @overload
    def __get__(self, client: None, owner: type) -> Callable[ParametersT, Operation[ValueT]]: ...
    @overload
    def __get__(
        self, client: "AsyncClient", owner: type
    ) -> Callable[ParametersT, Awaitable[ValueT]]: ...
    def __get__(self, client: "AsyncClient | None", owner: type) -> Callable[ParametersT, Any]:
        if client is None:
            return self._operation

        @functools.wraps(self._operation)
        async def method(*args: ParametersT.args, **kwargs: ParametersT.kwargs) -> ValueT:
            return await client.send(self._operation(*args, **kwargs))

        return method


class _AsyncIteration(Generic[ParametersT, PageT, ItemT]):
    """A method of `AsyncClient` that iterates over the items of all pages."""

    def __init__(self, operation: Callable[ParametersT, PageOperation[PageT, ItemT]]) -> None:
        self._operation = operation

    @overload
    def __get__(
        self, client: None, owner: type
    ) -> Callable[ParametersT, PageOperation[PageT, ItemT]]: ...
    @overload
    def __get__(
        self, client: "AsyncClient", owner: type
    ) -> Callable[ParametersT, AsyncIterator[ItemT]]: ...
    def __get__(self, client: "AsyncClient | None", owner: type) -> Callable[ParametersT, Any]:
        if client is None:
            return self._operation

        @functools.wraps(self._operation)
        async def method(
            *args: ParametersT.args, **kwargs: ParametersT.kwargs
        ) -> AsyncIterator[ItemT]:
            following: PageOperation[PageT, ItemT] | None = self._operation(*args, **kwargs)
            while following is not None:
                page = await client.send(following)
                for item in following.items(page):
                    yield item
                following = following.following(page)

        return method


class _Settings:
    """What both clients are made of, besides the httpx client. Its `repr` shows no credential."""

    def __init__(self, base_url: str, api_key: str | None, retries: Retries | None) -> None:
        self.base_url = _base_url(base_url)
        self._api_key = _credential(api_key)
        self.retries = Retries() if retries is None else retries

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"

    def _build(
        self,
        operation: Operation[Any],
        http: httpx.Client | httpx.AsyncClient,
        deadline: Deadline | None,
    ) -> httpx.Request:
        """The request of an attempt."""
        request = http_request(self.base_url, self._api_key, operation)
        request.headers["User-Agent"] = http.headers["User-Agent"]
        timeouts = http.timeout.as_dict()
        request.extensions["timeout"] = timeouts if deadline is None else deadline.shorten(timeouts)
        return request


class Client(_Settings):
    """A synchronous client of the API; threads may share it.

    `base_url` ends in `/v1`, such as `http://127.0.0.1:8080/v1`. `api_key` is a key or a session
    token; some operations need none. `timeout` is in seconds, for each part of an attempt;
    `retries` says how often and how soon an operation is retried. `http` replaces httpx's client,
    with its timeout, for a proxy or another certificate authority; the caller closes it. Redirects
    are never followed, whatever it is set to: a key would be sent to another host. Raises
    ValueError for a base URL or a key that cannot be sent.

    Methods raise a `HookstreamError`: an `ApiError` for an error response, else `ConnectionFailed`
    or `InvalidResponse`.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        retries: Retries | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        super().__init__(base_url, api_key, retries)
        self._owned = http is None
        self._http = httpx.Client(timeout=timeout) if http is None else http

    create_api_key = _Method(operations.create_api_key)
    list_api_keys = _Method(operations.list_api_keys)
    iter_api_keys = _Iteration(operations.list_api_keys)
    get_api_key = _Method(operations.get_api_key)
    update_api_key = _Method(operations.update_api_key)
    revoke_api_key = _Method(operations.revoke_api_key)
    revoke_by_secret = _Method(operations.revoke_by_secret)
    rotate_api_key = _Method(operations.rotate_api_key)
    cancel_rotation = _Method(operations.cancel_rotation)
    verify_api_key = _Method(operations.verify_api_key)
    verify_api_keys = _Method(operations.verify_api_keys)
    whoami = _Method(operations.whoami)
    list_organizations = _Method(operations.list_organizations)
    iter_organizations = _Iteration(operations.list_organizations)
    create_organization = _Method(operations.create_organization)
    get_organization = _Method(operations.get_organization)
    update_organization = _Method(operations.update_organization)
    delete_organization = _Method(operations.delete_organization)
    list_members = _Method(operations.list_members)
    iter_members = _Iteration(operations.list_members)
    add_member = _Method(operations.add_member)
    get_member = _Method(operations.get_member)
    update_member = _Method(operations.update_member)
    remove_member = _Method(operations.remove_member)
    list_environments = _Method(operations.list_environments)
    iter_environments = _Iteration(operations.list_environments)
    create_environment = _Method(operations.create_environment)
    get_environment = _Method(operations.get_environment)
    update_environment = _Method(operations.update_environment)
    delete_environment = _Method(operations.delete_environment)
    list_audit_log = _Method(operations.list_audit_log)
    iter_audit_log = _Iteration(operations.list_audit_log)
    get_health = _Method(operations.get_health)
    get_readiness = _Method(operations.get_readiness)
    request = _Method(operations.request)

    def send(
        self,
        operation: Operation[ValueT],
        retries: Retries | None = None,
        deadline: float | None = None,
    ) -> ValueT:
        """Send an operation, with these retries or the client's. Raises a HookstreamError.

        `deadline` is how many seconds all attempts together may take; then it is ConnectionFailed.
        """
        attempts = Attempts(operation, self.retries if retries is None else retries)
        if deadline is None:
            return self._send(operation, attempts, None)
        until = Deadline(deadline)
        return until.run(lambda: self._send(operation, attempts, until), operation.name)

    def _send(
        self, operation: Operation[ValueT], attempts: Attempts[ValueT], deadline: Deadline | None
    ) -> ValueT:
        while True:
            outcome = self._attempt(operation, deadline)
            step = attempts.next_step(outcome, None if deadline is None else deadline.left)
            if isinstance(step, Result):
                return step.value
            time.sleep(step.seconds)

    def _attempt(
        self, operation: Operation[Any], deadline: Deadline | None
    ) -> Response | ConnectionFailed:
        try:
            request = self._build(operation, self._http, deadline)
            return Response.of(self._http.send(request, follow_redirects=False))
        except (httpx.RequestError, httpx.InvalidURL) as error:
            # Returned, not raised: an exception would refer to this one, which has the request.
            return connection_failed(error, operation.name)

    def close(self) -> None:
        """Close the connections, unless the httpx client is the caller's."""
        if self._owned:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(_Settings):
    """An asynchronous client of the API, for asyncio; `Client` describes its parameters."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        retries: Retries | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(base_url, api_key, retries)
        self._owned = http is None
        self._http = httpx.AsyncClient(timeout=timeout) if http is None else http

    create_api_key = _AsyncMethod(operations.create_api_key)
    list_api_keys = _AsyncMethod(operations.list_api_keys)
    iter_api_keys = _AsyncIteration(operations.list_api_keys)
    get_api_key = _AsyncMethod(operations.get_api_key)
    update_api_key = _AsyncMethod(operations.update_api_key)
    revoke_api_key = _AsyncMethod(operations.revoke_api_key)
    revoke_by_secret = _AsyncMethod(operations.revoke_by_secret)
    rotate_api_key = _AsyncMethod(operations.rotate_api_key)
    cancel_rotation = _AsyncMethod(operations.cancel_rotation)
    verify_api_key = _AsyncMethod(operations.verify_api_key)
    verify_api_keys = _AsyncMethod(operations.verify_api_keys)
    whoami = _AsyncMethod(operations.whoami)
    list_organizations = _AsyncMethod(operations.list_organizations)
    iter_organizations = _AsyncIteration(operations.list_organizations)
    create_organization = _AsyncMethod(operations.create_organization)
    get_organization = _AsyncMethod(operations.get_organization)
    update_organization = _AsyncMethod(operations.update_organization)
    delete_organization = _AsyncMethod(operations.delete_organization)
    list_members = _AsyncMethod(operations.list_members)
    iter_members = _AsyncIteration(operations.list_members)
    add_member = _AsyncMethod(operations.add_member)
    get_member = _AsyncMethod(operations.get_member)
    update_member = _AsyncMethod(operations.update_member)
    remove_member = _AsyncMethod(operations.remove_member)
    list_environments = _AsyncMethod(operations.list_environments)
    iter_environments = _AsyncIteration(operations.list_environments)
    create_environment = _AsyncMethod(operations.create_environment)
    get_environment = _AsyncMethod(operations.get_environment)
    update_environment = _AsyncMethod(operations.update_environment)
    delete_environment = _AsyncMethod(operations.delete_environment)
    list_audit_log = _AsyncMethod(operations.list_audit_log)
    iter_audit_log = _AsyncIteration(operations.list_audit_log)
    get_health = _AsyncMethod(operations.get_health)
    get_readiness = _AsyncMethod(operations.get_readiness)
    request = _AsyncMethod(operations.request)

    async def send(
        self,
        operation: Operation[ValueT],
        retries: Retries | None = None,
        deadline: float | None = None,
    ) -> ValueT:
        """Send an operation, as `Client.send` does. Raises a HookstreamError."""
        attempts = Attempts(operation, self.retries if retries is None else retries)
        if deadline is None:
            return await self._send(operation, attempts, None)
        until = Deadline(deadline)
        # Not raised in `except`: the exception would refer to this one, which has the request.
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                return await self._send(operation, attempts, until)
        raise until.exceeded(operation.name)

    async def _send(
        self, operation: Operation[ValueT], attempts: Attempts[ValueT], deadline: Deadline | None
    ) -> ValueT:
        while True:
            outcome = await self._attempt(operation, deadline)
            step = attempts.next_step(outcome, None if deadline is None else deadline.left)
            if isinstance(step, Result):
                return step.value
            await asyncio.sleep(step.seconds)

    async def _attempt(
        self, operation: Operation[Any], deadline: Deadline | None
    ) -> Response | ConnectionFailed:
        try:
            request = self._build(operation, self._http, deadline)
            return Response.of(await self._http.send(request, follow_redirects=False))
        except (httpx.RequestError, httpx.InvalidURL) as error:
            # Returned, not raised: an exception would refer to this one, which has the request.
            return connection_failed(error, operation.name)

    async def aclose(self) -> None:
        """Close the connections, unless the httpx client is the caller's."""
        if self._owned:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _base_url(text: str) -> str:
    """The base URL without slashes at its end. Raises ValueError, which never has the text."""
    if not _BASE_URL.fullmatch(text) or not _is_url(text):
        # Raised here, so that no other exception, which has the text, is its context.
        raise ValueError(
            "base_url is an http or https URL without user and password, query, fragment and white "
            "space, with a port up to 65535 or none, such as http://127.0.0.1:8080/v1"
        )
    return text.rstrip("/")


def _is_url(text: str) -> bool:
    """Whether httpx, which sends to it, reads the URL as one of a host."""
    try:
        url, port = httpx.URL(text), urlsplit(text).port
    except (ValueError, httpx.InvalidURL):
        return False
    return bool(url.host) and not url.userinfo and port != 0


def _credential(text: str | None) -> Secret | None:
    if text is not None and not _CREDENTIAL.fullmatch(text):
        raise ValueError("api_key has visible ASCII characters only, without spaces or line ends")
    return None if text is None else Secret(text)
