"""Mocks of the document answer as a server would: Prism, without options."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support import until

from hookstream_keys.contract import spec

DOCUMENT = Path(__file__).parent.parent.parent / "openapi.yaml"
EXAMPLES = spec.document()["components"]["examples"]
KEY = {"X-API-Key": EXAMPLES["CreatedKey"]["value"]["key"]}


@pytest.fixture(scope="module")
def prism(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Prism's mock server."""
    log = tmp_path_factory.mktemp("prism") / "log"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [str(node_modules / ".bin" / "prism"), "mock", f"--port={port}", str(DOCUMENT)]
    with (
        log.open("wb") as sink,
        subprocess.Popen(command, stdout=sink, stderr=sink) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        try:
            until(lambda: "listening" in log.read_text(encoding="utf-8"))
            yield client
        finally:
            process.terminate()


def test_a_mocked_key_is_valid(prism: httpx.Client) -> None:
    body = EXAMPLES["VerifyValid"]["value"]
    answer = prism.post("/auth/api-keys/verify", json=body, headers=KEY)
    assert answer.status_code == httpx.codes.OK, answer.text
    assert answer.json() == EXAMPLES["VerifiedValid"]["value"]


@pytest.mark.parametrize(
    ("name", "code"),
    [("revoked", "REVOKED"), ("rate_limited", "RATE_LIMITED"), ("rotation_in_grace", "VALID")],
)
def test_an_example_is_chosen_by_its_name(prism: httpx.Client, name: str, code: str) -> None:
    body = EXAMPLES["VerifyValid"]["value"]
    headers = {**KEY, "Prefer": f"example={name}"}
    answer = prism.post("/auth/api-keys/verify", json=body, headers=headers)
    assert answer.json()["code"] == code


def test_a_mocked_page_has_keys(prism: httpx.Client) -> None:
    page = prism.get("/auth/api-keys", headers=KEY).json()
    assert page == EXAMPLES["KeyPage"]["value"]
    assert len(page["api_keys"]) == 2
