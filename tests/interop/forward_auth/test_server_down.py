"""Proxies of docs/forward-auth while keys cannot be verified."""

from pathlib import Path

from interop.forward_auth.protected import DOCS, PREFLIGHT, Protected, environ, protected_by


def test_no_request_passes_while_keys_cannot_be_verified(protected: Protected) -> None:
    key = {"X-API-Key": protected.create()["key"]}
    assert environ(protected.ask(key))
    protected.server.process.terminate()
    protected.server.process.wait(timeout=60)
    for method, headers in (("GET", key), ("POST", {}), ("OPTIONS", key)):
        answer = protected.ask(headers, method)
        assert answer.status_code in {502, 503}
        assert "HTTP_" not in answer.text
    # Preflights need no authorization.
    assert environ(protected.ask(PREFLIGHT, "OPTIONS"))


def test_no_request_passes_when_haproxys_script_fails(tmp_path: Path) -> None:
    script = (DOCS / "authorize.lua").read_text(encoding="utf-8")
    line = "  local received = txn.http:req_get_headers()\n"
    assert line in script
    failing = script.replace(line, f"  error('as a fault')\n{line}")
    (tmp_path / "authorize.lua").write_text(failing, encoding="utf-8")
    with protected_by("haproxy", tmp_path, scripts=tmp_path) as protected:
        answer = protected.ask({"X-API-Key": protected.create()["key"], "X-Key-Id": "ak_me"})
        assert answer.status_code == 503
        assert environ(protected.ask(PREFLIGHT, "OPTIONS"))
