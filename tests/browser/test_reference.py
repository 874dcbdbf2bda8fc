"""The reference in a real browser: readable offline, under its strict policy."""

from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, expect
from support import Server, layout
from support import swagger_page as ui

from hookstream_keys.contract import spec

READY = "elements-api h1"


def test_it_fits_every_screen(context: BrowserContext, server: Server, reports: Path) -> None:
    # The root leads there.
    page, seen = ui.open_page(context, server.origin, READY)
    assert page.url == f"{server.url}/reference"
    expect(page).to_have_title("API reference")
    # The examples of credentials look like this API's.
    expect(page.get_by_text("X-API-Key: YOUR_API_TOKEN")).to_be_visible()
    expect(page.locator("code", has_text="123")).to_have_count(0)
    page.goto(f"{server.url}/reference#/operations/createApiKey")
    expect(page.locator(READY)).to_have_text("Create API key")
    schemes: tuple[Any, ...] = ("light", "dark")
    for width in (390, 768, 1440):
        for scheme in schemes:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            expect(page.locator("html")).to_have_attribute("data-theme", scheme)
            assert layout.sideways(page) == 0, width
            assert layout.is_one_row(page.locator("body > header")), width
            assert layout.low_contrast(page) == []
            page.screenshot(path=reports / f"reference-{scheme}-{width}.png")
    # Nothing is missing either, not even an icon of the tab.
    assert [text for text in seen.console if text.startswith("Failed to load")] == []
    seen.assert_clean()


def test_every_operation_is_shown_under_the_policy(context: BrowserContext, server: Server) -> None:
    page, seen = ui.open_page(context, f"{server.url}/reference", READY)
    for operation in spec.operations(spec.document()):
        item = spec.document()["paths"][operation.path][operation.method.lower()]
        page.goto(f"{server.url}/reference#/operations/{operation.id}")
        expect(page.locator(READY)).to_have_text(item["summary"])
    seen.assert_clean()


def test_it_shows_the_code_samples_of_the_document(context: BrowserContext, server: Server) -> None:
    page, seen = ui.open_page(context, f"{server.url}/reference#/operations/createApiKey", READY)
    expect(page.get_by_text("--fail-with-body")).to_be_visible()
    page.get_by_role("button", name="Request Sample").click()
    for language in ("Shell", "JavaScript", "Python", "Go"):
        expect(page.get_by_role("menuitemcheckbox", name=language, exact=True)).to_be_visible()
    seen.assert_clean()


def test_it_leads_to_swagger_ui_and_back(context: BrowserContext, server: Server) -> None:
    page, seen = ui.open_page(context, f"{server.url}/reference", READY)
    page.get_by_role("link", name="Try it out in Swagger UI").click()
    expect(page.locator(".opblock").first).to_be_visible(timeout=20_000)
    expect(page).to_have_title("Swagger UI: try out the API")
    page.get_by_role("link", name="Read the reference").click()
    expect(page.locator(READY)).to_be_visible(timeout=20_000)
    seen.assert_clean()
