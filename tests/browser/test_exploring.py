"""Exploring the API in Swagger UI: what is filled in, shown, folded and kept."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from support import Database, Server, Tenant, layout, serving, signed
from support import swagger_page as ui
from support.sandboxes import sandbox

from hookstream_keys.contract import spec

#: The heading of the reference, which it shows once it has read the document.
REFERENCE = "elements-api h1"
PLACEHOLDERS = ("YOUR_ORG_ID", "YOUR_ENV_ID")
BODY = "textarea.body-param__text"


def body_of(page: Page, operation_id: str) -> Locator:
    return ui.expand(page, operation_id).locator(BODY)


def parameter(block: Locator, name: str, place: str) -> Locator:
    row = block.locator(f'tr[data-param-name="{name}"][data-param-in="{place}"]')
    return row.locator("input, select").first


#: What keeps two columns of text apart, in pixels.
LEAST_GAP = 8

SCREENS: list[tuple[int, Any]] = [
    (width, scheme) for width in (390, 768, 1440) for scheme in ("light", "dark")
]


def test_it_fits_every_screen(
    context: BrowserContext, server: Server, tenant: Tenant, reports: Path
) -> None:
    page, seen = ui.open_page(context, f"{server.url}/ui/")
    ui.authorize(page, "apiKeyHeader", tenant.key)
    expect(body_of(page, "createApiKey")).to_have_value(re.compile(tenant.org_id))
    status, text = ui.execute(page, "createApiKey")
    assert status == 201, text
    ui.execute(page, "listApiKeys")
    for folded in ui.expand(page, "createApiKey").locator(".response-folded button").all()[::-1]:
        folded.click()
    for width, scheme in SCREENS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        assert layout.sideways(page) == 0, width
        assert layout.is_one_row(page.locator("body > header")), width
        assert layout.shows_its_placeholder(page.locator(".operation-filter-input")), width
        for headers in page.locator(".opblock .headers").all():
            assert layout.least_gap(headers) >= LEAST_GAP, width
        assert layout.low_contrast(page) == []
        page.screenshot(path=reports / f"swagger-ui-{scheme}-{width}.png")
        ui.open_dialog(page)
        assert layout.sideways(page) == 0, width
        assert layout.low_contrast(page, ".modal-ux") == []
        ui.close_dialog(page)
    # In a low window the dialog scrolls, and can be closed.
    page.set_viewport_size({"width": 800, "height": 400})
    ui.open_dialog(page)
    closing = page.locator(".modal-ux").get_by_role("button", name="Close")
    expect(closing).to_have_count(2)
    assert closing.first.get_attribute("class") == "close-modal"
    ui.close_dialog(page)
    seen.assert_clean()


def is_dark(page: Page) -> bool:
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", color))) < 3 * 128


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("path", "ready"), [("ui/", ".opblock"), ("reference", REFERENCE)])
def test_it_is_as_dark_as_the_system_until_a_person_chooses(
    browser: Browser, server: Server, scheme: Any, path: str, ready: str
) -> None:
    context = browser.new_context(color_scheme=scheme)
    page, seen = ui.open_page(context, f"{server.url}/{path}", ready)
    assert is_dark(page) is (scheme == "dark")
    page.locator("#theme").click()
    assert is_dark(page) is (scheme == "light")
    page.reload()
    expect(page.locator(ready).first).to_be_visible(timeout=20_000)
    assert is_dark(page) is (scheme == "light")
    seen.assert_clean()
    context.close()


def test_no_field_has_an_id_that_does_not_exist(context: BrowserContext, server: Server) -> None:
    page, seen = ui.open_page(context, f"{server.url}/ui/")
    for operation_id in ("createApiKey", "updateApiKey", "listAuditLog", "deleteEnvironment"):
        block = ui.expand(page, operation_id)
        fields = block.locator(".parameters input")
        expect(fields).not_to_have_count(0)
        for field in fields.all():
            # A page has a default length.
            assert field.input_value() in ("", "20", "50")
    sent = json.loads(body_of(page, "createApiKey").input_value())
    assert (sent["org_id"], sent["env_id"]) == PLACEHOLDERS
    # Nothing was asked that is refused.
    assert seen.console == []
    seen.assert_clean()


def assert_filled(page: Page, tenant: Tenant) -> None:
    """The fields have the tenant's organization and environment; what would delete is empty."""
    expect(body_of(page, "createApiKey")).to_have_value(re.compile(tenant.org_id))
    sent = json.loads(body_of(page, "createApiKey").input_value())
    assert (sent["org_id"], sent["env_id"]) == (tenant.org_id, tenant.env_id)
    listed = ui.expand(page, "listApiKeys")
    expect(parameter(listed, "org_id", "query")).to_have_value(tenant.org_id)
    expect(parameter(listed, "env_id", "query")).to_have_value(tenant.env_id)
    shown = ui.expand(page, "getOrganization")
    expect(parameter(shown, "id", "path")).to_have_value(tenant.org_id)
    shown = ui.expand(page, "updateEnvironment")
    expect(parameter(shown, "id", "path")).to_have_value(tenant.env_id)
    for operation_id in ("deleteOrganization", "deleteEnvironment", "revokeApiKey"):
        block = ui.expand(page, operation_id)
        expect(parameter(block, "id", "path")).to_have_value("")


@pytest.mark.parametrize("scheme", ["apiKeyHeader", "bearerToken"])
def test_authorized_with_a_key_the_fields_have_its_organization(
    context: BrowserContext, server: Server, tenant: Tenant, scheme: str
) -> None:
    page, seen = ui.open_page(context, f"{server.url}/ui/")
    # One that is open already, and one that is not.
    body_of(page, "createApiKey")
    ui.authorize(page, scheme, tenant.key)
    assert_filled(page, tenant)
    ui.logout(page, scheme)
    expect(body_of(page, "createApiKey")).to_have_value(re.compile("YOUR_ORG_ID"))
    seen.assert_clean()


def test_signed_in_on_the_page_the_fields_have_the_users_organization(
    context: BrowserContext, server: Server, tenant: Tenant
) -> None:
    page, seen = ui.open_page(context, f"{server.url}/ui/")
    credentials = {"email": tenant.email, "password": tenant.password}
    assert ui.execute(page, "signInEmail", credentials)[0] == 200
    assert_filled(page, tenant)
    # The browser has the cookie, and the page asks again.
    page.reload()
    assert_filled(page, tenant)
    assert ui.execute(page, "createApiKey")[0] == 201
    assert ui.execute(page, "signOut")[0] == 200
    expect(body_of(page, "createApiKey")).to_have_value(re.compile("YOUR_ORG_ID"))
    seen.assert_clean()


def test_what_a_person_typed_stays(context: BrowserContext, server: Server, tenant: Tenant) -> None:
    page, seen = ui.open_page(context, f"{server.url}/ui/")
    typed = {"name": "Typed", "org_id": PLACEHOLDERS[0], "env_id": "env_typed"}
    body_of(page, "createApiKey").fill(json.dumps(typed))
    listed = ui.expand(page, "listApiKeys")
    parameter(listed, "env_id", "query").fill("env_typed")
    ui.authorize(page, "apiKeyHeader", tenant.key)
    expect(parameter(listed, "org_id", "query")).to_have_value(tenant.org_id)
    expect(parameter(listed, "env_id", "query")).to_have_value("env_typed")
    sent = json.loads(body_of(page, "createApiKey").input_value())
    assert sent == {**typed, "org_id": tenant.org_id}
    seen.assert_clean()


def test_the_filter_finds_operations_by_path_summary_and_id(
    context: BrowserContext, server: Server
) -> None:
    page, seen = ui.open_page(context, f"{server.url}/ui/")
    for words, operation_ids in (
        ("rotat", ["rotateApiKey", "cancelRotation"]),
        ("WHOAMI", ["whoami"]),
        ("nothing at all", []),
        ("liveness", ["getHealth"]),
    ):
        page.locator(".operation-filter-input").fill(words)
        expect(page.locator(".opblock")).to_have_count(len(operation_ids))
        for operation_id in operation_ids:
            expect(page.locator(f'.opblock[id$="-{operation_id}"]')).to_be_visible()
        if operation_ids:
            expect(page.get_by_role("status")).to_have_count(0)
        else:
            expect(page.get_by_role("status")).to_contain_text(f"No operation matches “{words}”")
            expect(page.get_by_text("No operations defined")).to_have_count(0)
    seen.assert_clean()


def test_error_responses_are_folded(context: BrowserContext, server: Server) -> None:
    page, seen = ui.open_page(context, f"{server.url}/ui/")
    block = ui.expand(page, "createApiKey")
    codes = set(spec.document()["paths"]["/auth/api-keys"]["post"]["responses"])
    folded = block.locator(".response-folded")
    expect(folded).to_have_count(len(codes) - 1)
    # Markdown's code is shown as code.
    expect(folded.filter(has_text="`")).to_have_count(0)
    expect(block.locator('.response-folded[data-code="503"] code')).to_have_text("Retry-After")
    expect(block.locator('.response[data-code="201"] .example')).not_to_have_count(0)
    row = block.locator('.response[data-code="404"]')
    expect(row.locator("pre")).to_have_count(0)
    row.locator("button").click()
    expect(row.locator("pre").first).to_contain_text("Environment not found")
    expect(folded).to_have_count(len(codes) - 2)
    seen.assert_clean()


def test_code_samples_are_shown_in_four_languages(context: BrowserContext, server: Server) -> None:
    page, seen = ui.open_page(context, f"{server.url}/ui/")
    block = ui.expand(page, "createApiKey")
    samples = spec.document()["paths"]["/auth/api-keys"]["post"]["x-codeSamples"]
    languages = ["Shell", "JavaScript", "Python", "Go"]
    assert [each["lang"] for each in samples] == languages
    shown = block.locator(".samples code")
    for sample in samples:
        block.locator(".samples-language", has_text=sample["lang"]).click()
        expect(shown).to_have_text(sample["source"])
    # Of this the document has a curl command only.
    block = ui.expand(page, "rotateApiKey")
    for language in languages:
        block.locator(".samples-language", has_text=language).click()
        expect(block.locator(".samples code")).to_contain_text("THE_KEY_ID/rotations")
    seen.assert_clean()


def test_what_was_authorized_is_kept_in_the_tab_only(
    context: BrowserContext, server: Server, tenant: Tenant
) -> None:
    page, seen = ui.open_page(context, f"{server.url}/ui/")
    ui.authorize(page, "apiKeyHeader", tenant.key)
    page.reload()
    assert_filled(page, tenant)
    assert ui.execute(page, "whoami")[0] == 200
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 1]
    assert tenant.key not in json.dumps(context.storage_state())
    other, _ = ui.open_page(context, f"{server.url}/ui/")
    assert ui.execute(other, "whoami")[0] == 401
    ui.logout(page, "apiKeyHeader")
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    page.reload()
    assert ui.execute(page, "whoami")[0] == 401
    seen.assert_clean()


def test_a_cookie_that_was_authorized_comes_back_with_the_page(
    context: BrowserContext, server: Server, tenant: Tenant
) -> None:
    page, seen = ui.open_page(context, f"{server.url}/ui/")
    ui.authorize(page, "sessionCookie", signed(server.database.add_session(tenant.user_id)))
    page.goto(f"{server.url}/openapi.json")
    assert context.cookies() == []
    page.goto(f"{server.url}/ui/")
    assert_filled(page, tenant)
    assert len(context.cookies()) == 1
    seen.assert_clean()


# Every example, as it is given


@pytest.fixture
def fresh(database: Database) -> Iterator[Server]:
    """A server after `init`, where the user has signed up whom an example makes a member."""
    database.init()
    example = spec.document()["components"]["examples"]["AddMember"]["value"]
    user_id = database.add_user()
    database.execute('update "user" set email = ? where id = ?', (example["email"], user_id))
    with serving(database, HOOKSTREAM_SIGN_UP="open") as server:
        yield server


#: What a session is refused, and why.
REFUSED = {
    # Only keys are accepted there.
    "authorize": 403,
}

#: What begins the run, and what ends it, in this order.
SIGN_IN = ("signUpEmail", "signInEmail")
FIRST = (*SIGN_IN, "createApiKey", "createEnvironment", "addMember")
LAST = ("revokeApiKey", "deleteEnvironment", "removeMember", "deleteOrganization", "signOut")


def examples() -> list[tuple[str, str | None, str]]:
    """Every operation of the API with each of its examples, and the success it has."""
    found = []
    for operation in spec.operations(spec.document()):
        if operation.is_page:
            continue
        raw = spec.document()["paths"][operation.path][operation.method.lower()]
        success = next(code for code in raw["responses"] if code.startswith("2"))
        content = raw.get("requestBody", {}).get("content", {}).values()
        names = [name for media in content for name in media.get("examples", {})]
        found += [(operation.id, name, success) for name in names or [None]]
    order = [*FIRST, "", *LAST]
    return sorted(found, key=lambda each: order.index(each[0] if each[0] in order else ""))


class Explorer:
    """Executes examples as they are given, and remembers what they answered."""

    def __init__(self, page: Page) -> None:
        self._page = page
        #: The newest id by the name of the parameter, and for `id` by the start of the path.
        self._ids: dict[str, str] = {}

    def run(self, operation_id: str, example: str | None) -> tuple[int, str]:
        """Execute one example. A required field that is empty gets the newest id there is."""
        block = ui.expand(self._page, operation_id)
        if example is not None and block.locator(".examples-select-element").count():
            choice = block.locator(".opblock-section-request-body .examples-select-element")
            if choice.count():
                choice.first.select_option(example)
        template = block.locator(".opblock-summary-path").get_attribute("data-path") or ""
        rows = block.locator('tr[data-param-in="path"]')
        # The table comes after the button, and a list of locators does not wait.
        expect(rows).to_have_count(template.count("{"))
        for row in rows.all():
            field = row.locator("input")
            name = row.get_attribute("data-param-name") or ""
            if field.input_value() == "":
                kind = template.split("/{id}")[0] if name == "id" else name
                field.fill(self._ids.get(kind, "none_yet"))
        status, text = ui.execute(self._page, operation_id)
        self._remember(operation_id, status, text)
        block.locator(".opblock-summary-control").click()
        return status, text

    def _remember(self, operation_id: str, status: int, text: str) -> None:
        if not httpx.codes.is_success(status):
            return
        match operation_id:
            case "createApiKey":
                self._ids["/auth/api-keys"] = json.loads(text)["id"]
            case "rotateApiKey":
                self._ids["rotation_id"] = json.loads(text)["rotation"]["id"]
            case "addMember":
                self._ids["member_id"] = json.loads(text)["member"]["id"]
            case "createOrganization":
                self._ids["/organizations"] = json.loads(text)["organization"]["id"]
            case "createEnvironment":
                self._ids["/environments"] = json.loads(text)["environment"]["id"]


def test_every_example_works_as_given_after_signing_in(
    context: BrowserContext, fresh: Server
) -> None:
    tenant = fresh.database.tenant
    page, seen = ui.open_page(context, f"{fresh.url}/ui/")
    explorer = Explorer(page)
    # The example's user is the sandbox's.
    refused = {**REFUSED, "signInEmail": 401}
    failed = {}
    for operation_id, example, success in examples():
        if operation_id == next(each for each in FIRST if each not in SIGN_IN):
            # The user of the examples is another.
            credentials = {"email": tenant.email, "password": tenant.password}
            assert ui.execute(page, "signInEmail", credentials)[0] == 200
            expect(body_of(page, "createApiKey")).to_have_value(re.compile(tenant.org_id))
        status, text = explorer.run(operation_id, example)
        if status != refused.get(operation_id, int(success)):
            failed[f"{operation_id} {example}"] = [status, text]
    assert not failed, json.dumps(failed, indent=0)
    seen.assert_clean()


#: What a sandbox refuses, since its own session stays as it is. The examples of what deletes an
#: organization or environment name the spare ones.
GUARDED = {"signOut"}


def test_every_example_works_as_given_in_a_sandbox(context: BrowserContext) -> None:
    with sandbox() as started:
        facts = started.facts
        page, seen = ui.open_page(context, f"{facts['base_url']}/ui/")
        ui.authorize(page, "bearerToken", facts["session_token"])
        expect(body_of(page, "createApiKey")).to_have_value(re.compile(facts["org_id"]))
        explorer = Explorer(page)
        failed = {}
        for operation_id, example, success in examples():
            status, text = explorer.run(operation_id, example)
            expected = REFUSED.get(operation_id, int(success))
            if status != (403 if operation_id in GUARDED else expected):
                failed[f"{operation_id} {example}"] = [status, text]
        assert not failed, json.dumps(failed, indent=0)
        seen.assert_clean()


def test_the_pages_of_a_tenant_stay_below_its_address(context: BrowserContext) -> None:
    with sandbox() as started:
        facts = started.tenant("gw0").facts
        place = facts["base_url"].removesuffix("/v1")
        assert place.endswith("/tenants/gw0")
        page, seen = ui.open_page(context, f"{place}/", REFERENCE)
        assert page.url == f"{place}/v1/reference"
        page.goto(f"{place}/v1/")
        expect(page.locator(REFERENCE)).to_have_text("hookstream-keys")
        assert page.url == f"{place}/v1/reference"
        page.get_by_role("link", name="Try it out in Swagger UI").click()
        ui.authorize(page, "apiKeyHeader", facts["key"])
        expect(body_of(page, "createApiKey")).to_have_value(re.compile(facts["org_id"]))
        assert ui.execute(page, "createApiKey")[0] == 201
        page.get_by_role("link", name="Read the reference").click()
        expect(page.locator(REFERENCE)).to_be_visible()
        # Without the slash: redirected.
        page.goto(f"{place}/v1/ui")
        expect(page.locator(".opblock").first).to_be_visible()
        assert page.url == f"{place}/v1/ui/"
        # Scripts, style sheets, icons and requests, too.
        assert [url for url in seen.requests if not url.startswith((f"{place}/", "data:"))] == []
        seen.assert_clean()
