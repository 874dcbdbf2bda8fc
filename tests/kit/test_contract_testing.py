"""docs/contract-testing.md: each block is run, and its tables are those of the code."""

import http.server
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import without_settings
from support.programs import missing, require
from support.readme import ROOT
from support.sandboxes import Sandbox, sandbox

from hookstream_keys.sandbox.document import document
from hookstream_keys.sandbox.tenants import MAX_TENANTS
from hookstream_keys.testing.sandbox import KEY_STATES, ROTATION_STATES
from hookstream_keys.testing.sandbox import Sandbox as PluginSandbox

PAGE = (ROOT / "docs" / "contract-testing.md").read_text(encoding="utf-8")
SCHEMAS = document()["components"]["schemas"]

#: Blocks of other sections, by the heading of each: they are run by tests of their own.
OF_OTHER_TESTS = {"Node.js", "Go"}
#: Shell blocks that need more than a sandbox.
WITH_TOOLS = {"Schemathesis: is your own mock like the service?", "Generated clients"}

OF_A_KEY = {"name", "scopes", "external_id", "metadata"}
VALUES_OF_A_KEY = {"org_id", "env_id", "key_id", "key"}


def blocks(heading: str) -> list[tuple[str, str]]:
    """The language and text of each block of a section."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```(\w+)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


HEADINGS = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
SHELL = [
    (heading, block)
    for heading in HEADINGS
    if heading not in OF_OTHER_TESTS | WITH_TOOLS
    for block in blocks(heading)
    if block[0] != "python"
]


def block(heading: str, number: int = 0) -> str:
    return blocks(heading)[number][1]


def shell(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script; the programs of this environment and of the kit's packages are found."""
    programs = [Path(sys.executable).parent, ROOT / "tests" / "kit" / "node_modules" / ".bin"]
    path = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=folder,
        env={**without_settings(), "PATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def python(folder: Path, *arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=without_settings() | more,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with sandbox() as made:
        yield made


def variables(running: Sandbox) -> dict[str, str]:
    facts = running.facts
    return {"BASE": facts["base_url"], "CONTROL": facts["control_url"], "KEY": facts["key"]}


def test_the_shell_examples_print_what_the_page_shows(tmp_path: Path) -> None:
    require("jq", "jq")
    require("curl", "curl")
    script, expected = ["trap 'kill $SANDBOX' EXIT"], []
    for _, (language, text) in SHELL:
        if language == "sh":
            script.append(text.replace("facts.json &\n", "facts.json & SANDBOX=$!\n"))
        else:
            expected.append(text)
    assert len(expected) == 8
    done = shell("\n".join(script), tmp_path)
    assert done.stdout == "".join(expected), done.stderr
    assert done.returncode == 0


def test_every_block_is_run_by_some_test() -> None:
    run = {"sh", "json", "text", "python"}
    for heading in set(HEADINGS) - OF_OTHER_TESTS:
        assert {language for language, _ in blocks(heading)} <= run, heading
    with_python = [heading for heading in HEADINGS if "python" in dict(blocks(heading))]
    assert set(with_python) - OF_OTHER_TESTS == {"Python: the pytest plugin", "Pact"}


def test_the_suite_for_pytest_passes(tmp_path: Path) -> None:
    (tmp_path / "test_client.py").write_text(block("Python: the pytest plugin"), encoding="utf-8")
    done = python(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert "3 passed" in done.stdout, done.stdout


def test_a_sandbox_runs_without_pytest(tmp_path: Path) -> None:
    done = python(tmp_path, "-c", block("Python: the pytest plugin", 1))
    assert re.fullmatch(r"ak_[0-9a-f]+\n", done.stdout), done.stderr


def test_the_table_has_what_the_sandbox_of_a_test_has() -> None:
    section = PAGE.partition("| of the sandbox |")[2].partition("\n\n")[0]
    left = " ".join(row.split(" | ")[0] for row in section.splitlines()[2:])
    named = set(re.findall(r"`(\w+)", left))
    methods = {name for name in vars(PluginSandbox) if not name.startswith("_")}
    attributes = {name for name in vars(PluginSandbox({**_FACTS}, None)) if name[0] != "_"}  # type: ignore[arg-type]  # nothing is called
    assert named == methods | attributes
    for states in (KEY_STATES, ROTATION_STATES):
        for state in states:
            assert f"`{state}`" in section or f'"{state}"' in section


_FACTS = dict.fromkeys(
    ("base_url", "control_url", "org_id", "env_id", "key", "session_token"), "text"
)


def test_the_pacts_of_the_sample_are_verified_as_the_page_shows(tmp_path: Path) -> None:
    if python(tmp_path, "-c", "import pact").returncode != 0:
        missing("pact-python is missing; install it")
    # Pact reports its use over the network unless it is told not to.
    written = python(tmp_path, "-c", _PACT, PACT_DO_NOT_TRACK="true")
    assert written.returncode == 0, written.stderr
    done = python(tmp_path, "-c", block("Pact"), tmp_path / "pacts")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tracking events" not in done.stdout + done.stderr


#: A pact with a value of a provider state.
_PACT = """
from pact import Pact, generate
from pact.match.matcher import GenericMatcher
pact = Pact("consumer", "hookstream-keys").with_specification("V4")
key = GenericMatcher("type", value="hs_test", generator=generate.provider_state("${key}"))
(pact.upon_receiving("who am I").given("an active key", name="Mine")
 .with_request("GET", "/v1/auth/whoami").with_header("X-API-Key", key).will_respond_with(200))
pact.write_file("pacts")
"""


class _WrongMock(http.server.BaseHTTPRequestHandler):
    """A mock that answers what the document does not allow."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.mark.parametrize("credential", ["a key", "a session"])
def test_schemathesis_tells_a_mock_that_is_like_the_service_from_one_that_is_not(
    running: Sandbox, tmp_path: Path, credential: str
) -> None:
    number = ["a key", "a session"].index(credential)
    command = block("Schemathesis: is your own mock like the service?", number)
    operation = ["whoami", "listMembers"][number]
    given = variables(running)
    running.reset()
    done = shell(command, tmp_path, **given, MOCK=given["BASE"])
    assert done.returncode == 0, (tmp_path / "report.txt").read_text()
    assert 200 in {request["status"] for request in running.requests(operation)}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _WrongMock) as mock:
        threading.Thread(target=mock.serve_forever, daemon=True).start()
        done = shell(command, tmp_path, **given, MOCK=f"http://127.0.0.1:{mock.server_port}/v1")
        mock.shutdown()
    assert done.returncode == 1
    assert "Response violates schema" in (tmp_path / "report.txt").read_text()


def test_a_key_may_not_call_what_the_second_run_reaches(running: Sandbox) -> None:
    members = f"/organizations/{running.facts['org_id']}/members"
    assert running.call("GET", members).status_code == 403
    assert running.call("GET", members, headers=running.owner).status_code == 200


@pytest.mark.usefixtures("node_modules")
def test_clients_are_generated(running: Sandbox, tmp_path: Path) -> None:
    done = shell(block("Generated clients"), tmp_path, **variables(running))
    assert done.returncode == 0, done.stdout + done.stderr
    both = (
        "import key_service_api, hookstream_keys_client;"
        "print(key_service_api.AuthenticatedClient, hookstream_keys_client.Client)"
    )
    imported = python(tmp_path, "-c", both)
    assert imported.returncode == 0, imported.stderr
    types = (tmp_path / "api.d.ts").read_text(encoding="utf-8")
    (request,) = re.findall(r"^        CreateApiKeyRequest: \{$.*?^        \};$", types, FLAGS)
    assert re.findall(r"^ {12}(name|scopes)\b(\??):", request, FLAGS) == [
        ("name", ""),
        ("scopes", "?"),
    ]


FLAGS = re.MULTILINE | re.DOTALL


def test_everything_is_installed_from_the_checkout() -> None:
    installed = re.findall(r"`pip install '?([^'`]+)'?`", PAGE)
    assert len(installed) == PAGE.count("pip install") == 2
    assert installed == [".", ".[pytest]"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert "pytest" in project["optional-dependencies"]


def test_only_the_credentials_of_the_tests_cannot_be_revoked(running: Sandbox) -> None:
    running.reset()
    facts = running.facts
    keys = {facts["key_id"], *(key["id"] for key in facts["keys"].values())}
    statuses = {
        key: running.call("DELETE", f"/auth/api-keys/{key}", headers=running.owner).status_code
        for key in keys
    }
    assert statuses.pop(facts["key_id"]) == 403
    assert set(statuses.values()) == {204}
    tokens = facts["session_token"], facts["sessions"]["live"]
    signed_out = [
        running.call("POST", "/auth/sign-out", {}, {"Authorization": f"Bearer {token}"})
        for token in tokens
    ]
    assert [answer.status_code for answer in signed_out] == [403, 200]


def test_faults_have_the_retry_after_that_the_page_says(running: Sandbox) -> None:
    running.reset()
    for status in (429, 503):
        for how, seconds in (({}, "1"), ({"retry_after": 0}, "0")):
            running.fail("whoami", status=status, **how)
            assert running.call("GET", "/auth/whoami").headers["Retry-After"] == seconds


def test_the_facts_and_swagger_ui_are_where_the_page_says(running: Sandbox) -> None:
    assert running.do("GET", "/facts") == running.facts
    assert "auth_secret" in running.facts
    page = running.client.get(f"{running.facts['base_url']}/ui/")
    assert "swagger-ui" in page.text
    assert f"at most {MAX_TENANTS} tenants" in PAGE


def rows() -> dict[str, tuple[set[str], set[str]]]:
    """The parameters and values of each state in the reference."""
    table = PAGE.partition("| state | parameters | values |\n")[2].partition("\n\n")[0]
    found = {}
    for line in table.splitlines()[1:]:
        state, parameters, values = (cell.strip() for cell in line.split("|")[1:-1])
        named = set(re.findall(r"`(\w+)`", parameters))
        returned = set(re.findall(r"`(\w+)`", values))
        found[state.strip("`")] = (
            named | (OF_A_KEY if "of a key" in parameters else set()),
            returned | (VALUES_OF_A_KEY if "of a key" in values else set()),
        )
    return found


def test_the_reference_has_every_state_and_parameter() -> None:
    assert list(rows()) == [state for state in SCHEMAS["State"]["enum"] if state]
    named = {name for parameters, _ in rows().values() for name in parameters}
    assert named == set(SCHEMAS["StateParams"]["properties"])


@pytest.mark.parametrize("state", rows())
def test_a_state_returns_the_values_of_the_reference(running: Sandbox, state: str) -> None:
    running.reset()
    required = {"operation": "whoami"} if "(required)" in _line(state) else {}
    assert set(running.state(state, **required)) == rows()[state][1] | {"api_key"}


def _line(state: str) -> str:
    return next(line for line in PAGE.splitlines() if line.startswith(f"| `{state}` |"))
