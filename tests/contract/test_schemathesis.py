"""Schemathesis against the running server, once for every way to authenticate."""

import os
import secrets
from collections.abc import Callable
from typing import Any

import pytest

SCHEMES = ["apiKeyHeader", "bearerToken", "sessionCookie"]

#: The same requests in every run, so that a failure in CI is one anywhere.
SEED = 20261124


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_server_keeps_to_its_document(
    schemathesis: Callable[..., Any], scheme: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = schemathesis(scheme, f"--seed={SEED}", "--max-examples=120")
    with capsys.disabled():
        print(f"\n{scheme}: {run.requests} requests, seed {SEED}")
    assert run.exit_status == 0, run.output
    assert run.requests > 500
    assert run.issued > 50


@pytest.mark.skipif(
    "FUZZ_SECONDS" not in os.environ, reason="a campaign: tox -e fuzz, for FUZZ_SECONDS seconds"
)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_server_keeps_to_its_document_for_a_while(
    schemathesis: Callable[..., Any], scheme: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = int(os.environ["FUZZ_SECONDS"]) // len(SCHEMES)
    seed = int(os.environ.get("FUZZ_SEED") or secrets.randbelow(2**32))
    run = schemathesis(
        scheme,
        f"--seed={seed}",
        f"--max-time={seconds}",
        "--max-examples=100000",
        timeout=seconds + 120,
    )
    with capsys.disabled():
        print(f"\n{scheme}: {run.requests} requests in {seconds} s, seed {seed}")
    assert run.exit_status == 0, run.output
