"""The document's code samples, run as they are printed, against a server."""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
import yaml
from openapi_schema_validator import OAS30Validator
from support import Server
from support.programs import require

import hookstream_keys
from hookstream_keys.contract import spec
from hookstream_keys.contract.closed_responses import closed_responses

pytestmark = pytest.mark.server(HOOKSTREAM_SIGN_UP="open", HOOKSTREAM_TRUSTED_PROXIES="127.0.0.1")

DOCUMENT = closed_responses(spec.document())

#: The placeholders of the samples, which readers replace.
PRINTED_ORIGIN = "http://127.0.0.1:8080"


@dataclass(frozen=True)
class Sample:
    """One entry of `x-codeSamples`."""

    operation: str
    status: str
    lang: str
    label: str
    source: str

    @property
    def is_own(self) -> bool:
        """Whether it stands in the document."""
        return all(self.source != each["source"] for each in DERIVED.get(self.operation, ()))

    def __str__(self) -> str:
        return f"{self.operation}-{self.lang}"


def _samples() -> Iterator[Sample]:
    for operation in _operations():
        shown = operation.get("x-codeSamples", [])
        for sample in shown + DERIVED.get(operation["operationId"], []):
            success = min(operation["responses"])
            yield Sample(operation["operationId"], success, **sample)


def _derived() -> dict[str, list[dict[str, str]]]:
    """What Swagger UI shows beside the document's own samples, by operation: its own script's."""
    node = shutil.which("node")
    if node is None:
        return {}
    own = {each["operationId"]: each.get("x-codeSamples", []) for each in _operations()}
    script = f"""
        const own = {json.dumps(own)};
        {(SWAGGER_UI / "languages.js").read_text(encoding="utf-8")}
        const shown = Object.entries(own).map(([id, list]) => [id, languages.complete(list)]);
        console.log(JSON.stringify(Object.fromEntries(shown)));
    """
    done = subprocess.run([node, "-"], input=script, capture_output=True, text=True, check=True)
    shown: dict[str, list[dict[str, str]]] = json.loads(done.stdout)
    return {
        operation: [sample for sample in samples if sample not in own[operation]]
        for operation, samples in shown.items()
    }


def _operations() -> Iterator[dict[str, Any]]:
    for item in DOCUMENT["paths"].values():
        yield from (item[method] for method in spec.METHODS if method in item)


SWAGGER_UI = Path(hookstream_keys.__file__).parent / "swagger_ui"

DERIVED = _derived()

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


@dataclass(frozen=True)
class Reader:
    """A user with their own organization, and what they put for the placeholders."""

    words: dict[str, str]

    @classmethod
    def of(cls, server: Server) -> Self:
        """A new one for every sample: some of them end what they are about."""
        words = {"YOUR_EMAIL": f"{secrets.token_hex(8)}@example.com", "YOUR_PASSWORD": PASSWORD}
        body: dict[str, str] = {"name": "Ada", "email": words["YOUR_EMAIL"], "password": PASSWORD}
        # From an address of its own: sign-ups are limited by address.
        address = {"X-Forwarded-For": f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"}
        signed_up = server.request("POST", "/auth/sign-up/email", headers=address, json=body)
        session = signed_up.json()["token"]
        headers = {"Authorization": f"Bearer {session}"}
        environments = server.request("GET", "/environments", headers=headers).json()
        org, env = (environments["environments"][0][name] for name in ("org_id", "id"))
        body = {"name": "Production key", "org_id": org, "env_id": env}
        token, other = (
            server.request("POST", "/auth/api-keys", headers=headers, json=body).json()
            for _ in range(2)
        )
        database = server.database
        database.add_member(org, database.add_user(), "member")
        (member,) = database.execute(
            """select id from "member" where "organizationId" = ? and role = 'member'""", (org,)
        )
        rotation = server.request(
            "POST",
            f"/auth/api-keys/{other['id']}/rotations",
            headers=headers,
            json={"grace_period_seconds": 60},
        ).json()
        return cls(
            words
            | {
                "YOUR_API_TOKEN": token["key"],
                "YOUR_SESSION_TOKEN": session,
                "YOUR_ORG_ID": org,
                "YOUR_ENV_ID": env,
                "THE_KEY_IN_QUESTION": other["key"],
                "THE_KEY_ID": other["id"],
                "THE_ROTATION_ID": rotation["rotation"]["id"],
                "THE_MEMBER_ID": member[0],
                "COLLEAGUE": database.add_user(),
                "NEW_USER": secrets.token_hex(8),
            }
        )

    def credential(self, source: str) -> str | None:
        """The word for the credential that a sample uses, if it uses one."""
        return next((word for word in CREDENTIALS if word in source), None)


PASSWORD = "correct horse battery staple"

#: What a sample that has one of these is refused without.
CREDENTIALS = ("YOUR_API_TOKEN", "YOUR_SESSION_TOKEN")

RunSample = Callable[[Sample, dict[str, str]], subprocess.CompletedProcess[str]]


@pytest.fixture
def reader(server: Server) -> Reader:
    return Reader.of(server)


@pytest.fixture
def run_sample(
    server: Server, tmp_path: Path, node_modules: Path, go_folders: dict[str, str]
) -> RunSample:
    """Run a sample with the server's address and a reader's words put in."""

    def run(sample: Sample, words: dict[str, str]) -> subprocess.CompletedProcess[str]:
        language = LANGUAGES[sample.lang]
        if sample.lang == "Shell":
            require("curl", "curl")
        assert PRINTED_ORIGIN in sample.source
        source = sample.source.replace(PRINTED_ORIGIN, server.origin)
        for word, value in words.items():
            source = source.replace(word, value)
        assert not re.search("YOUR_|THE_[A-Z]|NEW_USER|COLLEAGUE", source)
        if not (tmp_path / "node_modules").exists():
            (tmp_path / "node_modules").symlink_to(node_modules)
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


def response_schema(operation_id: str, status: str) -> dict[str, Any] | None:
    """What the body of a response must be like; None where there is none."""
    for operation in _operations():
        if operation["operationId"] == operation_id:
            response = operation["responses"][status]
            name = response.get("$ref", "").removeprefix("#/components/responses/")
            if name:
                response = DOCUMENT["components"]["responses"][name]
            content = response.get("content")
            if content is None:
                return None
            ((_, body),) = content.items()
            return {**body["schema"], "components": DOCUMENT["components"]}
    raise AssertionError(operation_id)


def test_create_api_key_has_the_four_samples_of_the_published_page() -> None:
    found = [(each.lang, each.label) for each in SAMPLES if each.operation == "createApiKey"]
    assert found == [
        ("Shell", "curl"),
        ("JavaScript", "fetch"),
        ("Python", "requests"),
        ("Go", "net/http"),
    ]


def test_every_operation_of_the_api_has_a_sample() -> None:
    without = {
        operation["operationId"] for operation in _operations() if "x-codeSamples" not in operation
    }
    # A browser's own: the page, and what it loads.
    assert without == {
        "getReference",
        "getReferenceAsset",
        "getSwaggerUi",
        "getSwaggerUiAsset",
        "redirectToReference",
        "redirectToSwaggerUi",
    }


def test_swagger_ui_shows_every_sample_in_four_languages() -> None:
    require("node", "nodejs")
    shown: dict[str, list[str]] = {}
    for sample in SAMPLES:
        shown.setdefault(sample.operation, []).append(sample.lang)
    assert all(sorted(languages) == sorted(LANGUAGES) for languages in shown.values())


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_a_sample_prints_what_the_document_promises(
    run_sample: RunSample, reader: Reader, sample: Sample
) -> None:
    done = run_sample(sample, reader.words)
    assert done.returncode == 0, done.stdout + done.stderr
    schema = response_schema(sample.operation, sample.status)
    if schema is None:
        assert done.stdout.strip() == ""
        return
    # Every JSON text is one of YAML, too.
    printed = (yaml.safe_load if "yaml" in sample.source else json.loads)(done.stdout)
    if sample.operation == "createApiKey":
        assert list(printed) == ["id", "name", "key", "key_prefix", "scopes", "created_at"]
    OAS30Validator(schema).validate(printed)


#: Without a credential these are a success as well.
OPTIONAL = [
    operation["operationId"] for operation in _operations() if {} in operation.get("security", [])
]


@pytest.mark.parametrize(
    "sample",
    [
        sample
        for sample in SAMPLES
        if sample.operation not in OPTIONAL
        and any(word in sample.source for word in CREDENTIALS)
        # The derived samples of a language differ in the request only.
        and (sample.is_own or sample.operation == "rotateApiKey")
    ],
    ids=str,
)
def test_a_sample_with_a_wrong_token_fails_and_does_not_print_it(
    run_sample: RunSample, reader: Reader, server: Server, sample: Sample
) -> None:
    word = reader.credential(sample.source)
    assert word
    valid = reader.words[word]
    wrong = valid[:-1] + ("0" if valid[-1] != "0" else "1")
    before = server.database.dump_but_usage()
    done = run_sample(sample, {**reader.words, word: wrong})
    assert done.returncode != 0
    assert "401" in done.stdout + done.stderr
    assert wrong not in done.stdout + done.stderr
    assert server.database.dump_but_usage() == before
