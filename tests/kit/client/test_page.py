"""docs/python-client.md and the client's README: every block runs, the tables are the code's."""

import asyncio
import dataclasses
import re
import tomllib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import flask
import httpx
import pytest
from django.test import Client as DjangoClient
from django.test import override_settings
from django.urls import path
from kit.client import guarded_django
from kit.client.sandbox import Sandbox, sandbox
from support.readme import ROOT, code_blocks

import hookstream_keys_client
from hookstream_keys_client import AsyncClient, Client, HookstreamError, Retries, operations
from hookstream_keys_client.client import DEFAULT_TIMEOUT
from hookstream_keys_client.guards import Principal, Rules
from hookstream_keys_client.guards.decision import STATUSES

PAGE = (ROOT / "docs" / "python-client.md").read_text(encoding="utf-8")
README = (ROOT / "client" / "README.md").read_text(encoding="utf-8")

#: The page's own project, beside which no other is.
assert guarded_django


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with sandbox() as running:
        yield running


@dataclasses.dataclass
class Page:
    """Runs blocks of a page, and knows the clients that they make, so that they can be closed."""

    words: dict[str, str]
    # As in a program that the reader starts.
    names: dict[str, Any] = dataclasses.field(default_factory=lambda: {"__name__": "__main__"})
    clients: list[Client] = dataclasses.field(default_factory=list)
    async_clients: list[AsyncClient] = dataclasses.field(default_factory=list)

    def run(self, text: str) -> dict[str, Any]:
        """Run the Python blocks of a text, one after the other; returns all names so far."""
        blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        assert blocks
        for block in blocks:
            for word, value in self.words.items():
                block = block.replace(word, value)  # noqa: PLW2901 - word by word
            exec(compile(block, "page", "exec"), self.names)  # noqa: S102 - it is the page
        return self.names

    async def close(self) -> None:
        """Close the asynchronous clients, in the loop that they were used in."""
        for client in self.async_clients:
            await client.aclose()


@pytest.fixture
def page(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A reader who begins with a sandbox as it is at its start."""
    box.control("POST", "reset")
    words = {
        "http://127.0.0.1:8080/v1": box.url,
        "YOUR_API_TOKEN": box.key,
        "YOUR_ORG_ID": box.facts["org_id"],
        "YOUR_ENV_ID": box.facts["env_id"],
    }
    reader = Page(words)
    for cls, made in ((Client, reader.clients), (AsyncClient, reader.async_clients)):
        monkeypatch.setattr(cls, "__init__", _noted(cls.__init__, made))
    yield reader
    for client in reader.clients:
        client.close()


def _noted(init: Any, made: list[Any]) -> Any:
    def noted(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        made.append(self)

    return noted


def section(heading: str, page: str = PAGE) -> str:
    """The text from a heading to the next one of its level."""
    level = heading.partition(" ")[0]
    return page.partition(f"{heading}\n")[2].partition(f"\n{level} ")[0]


def cells(heading: str) -> list[list[str]]:
    rows = [line for line in section(heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_the_calls_errors_and_retries_run_as_they_are_written(
    page: Page, capsys: pytest.CaptureFixture[str], box: Sandbox
) -> None:
    page.run(section("## Calls"))
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "VALID"
    assert any(line.startswith(f"{box.facts['keys']['active']['id']} ") for line in printed)
    assert "REVOKED" in printed
    assert "*" in printed
    made = page.run(section("## Errors"))
    assert re.fullmatch(r"404 api_key_not_found req_[0-9a-f]+\n", capsys.readouterr().out)
    assert page.run(section("## Retries"))["patient"].retries.count == 5
    assert made["keys"].whoami()["type"] == "api_key"


def test_the_clients_readme_runs_as_it_is_written(
    page: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    page.run(README)
    assert capsys.readouterr().out == "VALID\n"


def statuses(box: Sandbox, get: Any) -> list[int]:
    """The statuses for a valid key, none, a revoked one, and one that does not cover the scope."""
    state = {"state": "a key with few scopes", "params": {"scopes": "orders:read"}}
    narrow = box.control("POST", "states", state)["key"]
    keys = [box.key_of("active"), None, box.key_of("revoked"), narrow]
    return [get({} if key is None else {"X-API-Key": key}) for key in keys]


async def ask_asgi(app: Any, headers: dict[str, str]) -> int:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
        answer = await http.get("/events", headers=headers)
    assert answer.is_error or answer.json() == {"caller": "Active key"}
    return answer.status_code


@pytest.mark.parametrize("heading", ["### FastAPI", "### Starlette, and other ASGI applications"])
def test_the_asgi_guards_run_as_they_are_written(page: Page, box: Sandbox, heading: str) -> None:
    app = page.run(section(heading))["app"]
    with asyncio.Runner() as runner:
        found = statuses(box, lambda headers: runner.run(ask_asgi(app, headers)))
        runner.run(page.close())
    assert found == [200, 401, 401, 403]


def test_the_flask_guard_and_its_hook_run_as_they_are_written(page: Page, box: Sandbox) -> None:
    made = page.run(section("### Flask"))
    app = made["app"]
    with app.test_client() as browser:
        found = statuses(box, lambda headers: browser.get("/events", headers=headers).status_code)
        assert browser.get("/health").text == "ok"
        assert [browser.get("/none").status_code, browser.options("/events").status_code] == [
            401
        ] * 2
        # The scopes of the application's guard and the view's add up.
        deletes = box.control(
            "POST", "states", {"state": "a key with few scopes", "params": {"scopes": "events:*"}}
        )
        answers = [
            browser.delete("/events", headers={"X-API-Key": key}).status_code
            for key in (deletes["key"], "wrong")
        ]
    assert found == [200, 401, 401, 403]
    assert answers == [200, 401]
    made["keys"] = page.clients[0]
    hook = page.run(section("### The caller's address behind a proxy"))["from_the_proxy"]
    with app.test_request_context(headers={"X-Real-IP": "203.0.113.9"}):
        assert hook(flask.request) == "203.0.113.9"


def test_the_django_guard_runs_as_it_is_written(page: Page, box: Sandbox) -> None:
    view = page.run(section("### Django REST framework"))["Events"]
    urls = ModuleType("page")
    urls.urlpatterns = [path("events", view.as_view())]  # type: ignore[attr-defined]  # of Django
    with override_settings(ROOT_URLCONF=urls):
        found = statuses(
            box, lambda headers: DjangoClient().get("/events", headers=headers).status_code
        )
    assert found == [200, 401, 401, 403]


def test_the_extras_are_those_of_the_distribution() -> None:
    (block,) = code_blocks(PAGE)
    project = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(re.findall(r"\./client\[(\w+)\]", block)) == set(project["optional-dependencies"])
    assert project["requires-python"] == ">=3.11"
    assert "Python 3.11 or later" in PAGE


def test_the_exceptions_are_all_of_the_package() -> None:
    told = {name for row in cells("## Errors") for name in re.findall(r"`([A-Z]\w+)`", row[0])}
    exported = {
        name
        for name in hookstream_keys_client.__all__
        if isinstance(found := getattr(hookstream_keys_client, name), type)
        and issubclass(found, HookstreamError)
    }
    assert told == exported - {"HookstreamError", "ApiError"}


def test_the_table_of_retries_is_what_operations_are() -> None:
    """That the rows hold is proved by test_retries.py and test_lost_answers.py."""
    (_, lost, _) = cells("## Retries")
    assert lost[1:] == ["retried", "retried", "not retried"]
    fields: Any = {"name": "n", "org_id": "o", "env_id": "e"}
    assert operations.create_api_key(**fields).repeatable
    assert operations.rotate_api_key("ak_1", grace_period_seconds=0).repeatable
    assert operations.verify_api_key(key="k").repeatable
    assert operations.revoke_api_key("ak_1").repeatable
    assert not operations.update_api_key("ak_1", name="n").repeatable
    text = " ".join(section("## Retries").split())
    defaults = Retries()
    assert defaults.count == 2
    assert "two retries" in text
    assert f"up to {defaults.max_retry_after:.0f} seconds" in text
    assert f"a timeout of {DEFAULT_TIMEOUT:.0f} seconds" in text


def test_the_retry_of_a_guard_is_what_the_page_says() -> None:
    """That it is sent when the page says so is proved by test_guards.py."""
    text = " ".join(section("## Guards").split())
    retries = Rules().retries
    assert (retries.count, retries.max_retry_after) == (1, 0)
    assert f"once, within {retries.first_delay * 1000:.0f} milliseconds" in text


def test_the_table_of_statuses_is_the_guards() -> None:
    rows = cells("## Guards")
    told = {
        code: int(status) for status, when, _ in rows for code in re.findall(r"`([A-Z_]+)`", when)
    }
    assert told == dict(STATUSES)
    rules = Rules()
    assert f"after {rules.deadline} seconds in all" in section("## Guards")
    assert rules.retries.count == 1
    assert eval(re.findall(r"`(Rules\(.+\))`", PAGE)[0], {"Rules": Rules}) != rules  # noqa: S307 - it is the page
    fields = {field.name for field in dataclasses.fields(Principal)}
    named = PAGE.partition("The view gets a `Principal`: ")[2].partition(".\n")[0]
    assert set(re.findall(r"`(\w+)`", named)) == fields - {"key_prefix", "rate_limit_headers"}
