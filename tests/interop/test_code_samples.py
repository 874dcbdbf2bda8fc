"""The document's code samples, run as they are printed, against a server."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from interop.conftest import require
from openapi_schema_validator import OAS30Validator
from support import Server, Tenant

from hookstream_keys import spec

DOCUMENT: dict[str, Any] = yaml.safe_load(spec.source())

#: What the samples have where a reader puts her own.
PRINTED_ORIGIN = "http://127.0.0.1:8080"


@dataclass(frozen=True)
class Sample:
    """One entry of `x-codeSamples`."""

    operation: str
    status: str
    lang: str
    label: str
    source: str

    def __str__(self) -> str:
        return f"{self.operation}-{self.lang}"


def _samples() -> Iterator[Sample]:
    for operation in _operations():
        for sample in operation.get("x-codeSamples", ()):
            yield Sample(operation["operationId"], min(operation["responses"]), **sample)


def _operations() -> Iterator[dict[str, Any]]:
    for item in DOCUMENT["paths"].values():
        yield from (item[method] for method in spec.METHODS if method in item)


SAMPLES = list(_samples())


@dataclass(frozen=True)
class Language:
    """How a reader runs a sample."""

    file: str
    command: Callable[[], list[str]]


LANGUAGES = {
    "Shell": Language("sample.sh", lambda: [require("bash", "bash")]),
    "JavaScript": Language("sample.mjs", lambda: [require("node", "nodejs")]),
    "Python": Language("sample.py", lambda: [sys.executable]),
    "Go": Language("sample.go", lambda: [require("go", "golang-go"), "run"]),
}


@pytest.fixture(scope="session")
def go_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where Go keeps things, so that it keeps nothing in the user's home."""
    folder = tmp_path_factory.mktemp("go")
    return {"GOCACHE": str(folder / "cache"), "GOPATH": str(folder / "path")}


RunSample = Callable[[Sample, str], subprocess.CompletedProcess[str]]


@pytest.fixture
def run_sample(
    server: Server, tenant: Tenant, tmp_path: Path, go_folders: dict[str, str]
) -> RunSample:
    """Run a sample with a credential, the tenant's ids and the server's address put in."""

    def run(sample: Sample, credential: str) -> subprocess.CompletedProcess[str]:
        language = LANGUAGES[sample.lang]
        if sample.lang == "Shell":
            require("curl", "curl")
        source = sample.source
        for printed, real in (
            (PRINTED_ORIGIN, server.origin),
            ("YOUR_API_TOKEN", credential),
            ("YOUR_ORG_ID", tenant.org_id),
            ("YOUR_ENV_ID", tenant.env_id),
        ):
            source = source.replace(printed, real)
        assert credential in source
        assert server.origin in source
        assert "YOUR_" not in source
        file = tmp_path / language.file
        file.write_text(source, encoding="utf-8")
        return subprocess.run(
            [*language.command(), str(file)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=tmp_path,
            env={**os.environ, **go_folders, "no_proxy": "127.0.0.1"},
        )

    return run


def response_schema(operation_id: str, status: str) -> dict[str, Any]:
    for operation in _operations():
        if operation["operationId"] == operation_id:
            content = operation["responses"][status]["content"]["application/json"]
            return {**content["schema"], "components": DOCUMENT["components"]}
    raise AssertionError(operation_id)


def test_create_api_key_has_the_four_samples_of_the_published_page() -> None:
    found = [(each.lang, each.label) for each in SAMPLES if each.operation == "createApiKey"]
    assert found == [
        ("Shell", "curl"),
        ("JavaScript", "fetch"),
        ("Python", "requests"),
        ("Go", "net/http"),
    ]


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_a_sample_prints_what_the_document_promises(
    run_sample: RunSample, tenant: Tenant, sample: Sample
) -> None:
    done = run_sample(sample, tenant.key)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    if sample.operation == "createApiKey":
        assert list(printed) == ["id", "name", "key", "key_prefix", "scopes", "created_at"]
    OAS30Validator(response_schema(sample.operation, sample.status)).validate(printed)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_a_sample_with_a_wrong_token_fails_and_does_not_print_it(
    run_sample: RunSample, server: Server, tenant: Tenant, sample: Sample
) -> None:
    before = server.database.count("api_key")
    wrong = tenant.key[:-1] + ("0" if tenant.key[-1] != "0" else "1")
    done = run_sample(sample, wrong)
    assert done.returncode != 0
    assert "401" in done.stdout + done.stderr
    assert wrong not in done.stdout + done.stderr
    assert server.database.count("api_key") == before
