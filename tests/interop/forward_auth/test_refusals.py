"""Proxies of docs/forward-auth while keys are not verified: by the rate limit, or by a fault."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from interop.forward_auth.protected import (
    DOCS,
    PREFLIGHT,
    PROXIES,
    Protected,
    Upstreams,
    environ,
    protected_by,
    upstreams,
)


@pytest.fixture(params=PROXIES)
def limited(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Protected]:
    """A service behind each of the proxies, and a server of its own with a rate limit."""
    with (
        upstreams(tmp_path, rate_limit="600") as behind,
        protected_by(request.param, behind, tmp_path) as running,
    ):
        yield running


def test_no_request_passes_while_keys_are_not_verified(limited: Protected) -> None:
    key = {"X-API-Key": limited.create()["key"]}
    # 429 only to the unauthenticated client that tries too many keys.
    statuses = {limited.ask({"X-API-Key": "nonsense"}).status_code for _ in range(120)}
    assert statuses == {401, 429}
    assert environ(limited.ask(key))
    # The server does not run.
    limited.server.process.terminate()
    limited.server.process.wait(timeout=60)
    for method, headers in (("GET", key), ("POST", {}), ("OPTIONS", key)):
        answer = limited.ask(headers, method)
        assert answer.status_code in {502, 503}
        assert "HTTP_" not in answer.text
    # Preflights need no authorization.
    assert environ(limited.ask(PREFLIGHT, "OPTIONS"))


def test_no_request_passes_when_haproxys_script_fails(tmp_path: Path, behind: Upstreams) -> None:
    script = (DOCS / "authorize.lua").read_text(encoding="utf-8")
    line = "  local received = txn.http:req_get_headers()\n"
    assert line in script
    failing = script.replace(line, f"  error('as a fault')\n{line}")
    (tmp_path / "authorize.lua").write_text(failing, encoding="utf-8")
    with protected_by("haproxy", behind, tmp_path, scripts=tmp_path) as protected:
        answer = protected.ask({"X-API-Key": protected.create()["key"], "X-Key-Id": "ak_me"})
        assert answer.status_code == 503
        assert environ(protected.ask(PREFLIGHT, "OPTIONS"))
