"""Upgraded connections through the proxies of docs/forward-auth."""

import json
from typing import Any

import pytest
from interop.forward_auth.protected import Protected, environ
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect


def opened(protected: Protected, headers: dict[str, str]) -> ClientConnection:
    """A WebSocket connection to the service, through the proxy."""
    url = protected.url.replace("http:", "ws:", 1)
    return connect(f"{url}/socket", additional_headers=headers, proxy=None, open_timeout=10)


def test_a_websocket_with_a_valid_key_carries_messages(protected: Protected) -> None:
    created = protected.create(scopes="events:*")
    headers = {"X-API-Key": created["key"], "X_Scopes": "of-the-client"}
    with opened(protected, headers) as connection:
        fields: list[list[str]] = json.loads(connection.recv(timeout=10))
        seen: dict[str, Any] = {name.lower(): value for name, value in fields}
        assert seen["x-key-id"] == created["id"]
        assert seen["x-scopes"] == "events:*"
        assert created["key"] not in str(fields)
        assert "of-the-client" not in str(fields)
        for message in ("a", "b" * 100_000, "c"):
            connection.send(message)
            assert connection.recv(timeout=10) == message


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "nonsense"}])
def test_no_websocket_without_a_valid_key(protected: Protected, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidStatus) as raised, opened(protected, headers):
        pass
    assert raised.value.response.status_code == 401


@pytest.mark.parametrize(
    "protocols",
    [["h2c"], ["TLS/1.2"], ["websocket2"], ["h2c, websocket"], ["h2c", "websocket"]],
    ids=",".join,
)
@pytest.mark.parametrize("connection", ["Upgrade", "Upgrade, HTTP2-Settings"])
def test_no_other_protocol_is_upgraded_to(
    protected: Protected, protocols: list[str], connection: str
) -> None:
    # What follows on an h2c connection would not be authorized request by request.
    answer = protected.ask(
        [
            ("X-API-Key", protected.create()["key"]),
            ("Connection", connection),
            ("HTTP2-Settings", "AAMAAABk"),
            # A handshake without these is 400 at HAProxy.
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
            *(("Upgrade", protocol) for protocol in protocols),
        ]
    )
    assert "HTTP_UPGRADE" not in environ(answer)
    assert "upgrade" not in environ(answer).get("HTTP_CONNECTION", "").lower()
