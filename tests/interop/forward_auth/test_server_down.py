"""Proxies of docs/forward-auth while hookstream-keys does not run."""

from interop.forward_auth.protected import PREFLIGHT, Protected, environ


def test_no_request_passes_while_keys_cannot_be_verified(protected: Protected) -> None:
    key = {"X-API-Key": protected.create()["key"]}
    assert environ(protected.ask(key))
    protected.server.process.terminate()
    protected.server.process.wait(timeout=60)
    for method in ("GET", "POST", "OPTIONS"):
        for headers in ({}, key, {**key, "Upgrade": "websocket", "Connection": "Upgrade"}):
            answer = protected.ask(headers, method)
            assert answer.status_code in {502, 503}
            assert "HTTP_" not in answer.text
    # Preflights need no authorization.
    assert environ(protected.ask(PREFLIGHT, "OPTIONS"))
