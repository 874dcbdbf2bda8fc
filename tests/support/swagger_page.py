"""Swagger UI as a person uses it, by clicking and typing."""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Locator, Page, Response, expect

REPORT_VIOLATIONS = """
document.addEventListener('securitypolicyviolation', (event) =>
  window.__violation(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
"""


@dataclass
class Seen:
    """What the page did that a person would not notice."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def assert_clean(self) -> None:
        """Nothing went elsewhere, broke the policy or failed."""
        hosts = {
            urlsplit(url).hostname
            for url in self.requests
            if not url.startswith(("data:", "blob:"))
        }
        assert hosts == {"127.0.0.1"}
        # Chromium logs an answer of 4xx as an error; the tests ask for some.
        expected = "Failed to load resource"
        console = [text for text in self.console if not text.startswith(expected)]
        assert (self.errors, self.violations, console) == ([], [], [])


def open_page(
    context: BrowserContext, url: str, ready: str = ".opblock-summary"
) -> tuple[Page, Seen]:
    """A new tab, once it shows what `ready` selects."""
    seen = Seen()
    page = context.new_page()
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("console", lambda message: _note(seen, message.type, message.text))
    # A function of its own: Playwright cannot take a built-in method.
    page.expose_function("__violation", lambda text: seen.violations.append(text))  # noqa: PLW0108
    page.add_init_script(REPORT_VIOLATIONS)
    page.goto(url)
    expect(page.locator(ready).first).to_be_visible(timeout=20_000)
    return page, seen


def _note(seen: Seen, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        seen.console.append(text)


def dialog_entry(page: Page, scheme: str) -> Locator:
    title = page.locator("h4 code", has_text=re.compile(f"^{re.escape(scheme)}$"))
    return page.locator(".modal-ux .auth-container").filter(has=title)


def open_dialog(page: Page) -> None:
    page.locator(".scheme-container button.authorize").click()
    expect(page.locator(".modal-ux")).to_be_visible()


def close_dialog(page: Page) -> None:
    page.locator(".modal-ux .close-modal").click()
    expect(page.locator(".modal-ux")).to_have_count(0)


def authorize(page: Page, scheme: str, value: str) -> None:
    open_dialog(page)
    entry = dialog_entry(page, scheme)
    entry.locator("input").click()
    page.keyboard.insert_text(value)
    entry.get_by_role("button", name="Apply credentials").click()
    expect(entry.get_by_role("button", name="Remove authorization")).to_be_visible()
    close_dialog(page)


def logout(page: Page, scheme: str) -> None:
    open_dialog(page)
    entry = dialog_entry(page, scheme)
    entry.get_by_role("button", name="Remove authorization").click()
    expect(entry.get_by_role("button", name="Apply credentials")).to_be_visible()
    close_dialog(page)


def expand(page: Page, operation_id: str) -> Locator:
    block = page.locator(f'.opblock[id$="-{operation_id}"]')
    if "is-open" not in (block.get_attribute("class") or "").split():
        block.locator(".opblock-summary-control").click()
    expect(block.locator("button.execute")).to_be_visible()
    return block


def execute(page: Page, operation_id: str, body: Any = None) -> tuple[int, str]:
    """Press Execute. Returns status and body, once both are on the page."""
    block = expand(page, operation_id)
    if body is not None:
        block.locator("textarea.body-param__text").fill(json.dumps(body, indent=2))
    method = block.locator(".opblock-summary-method").inner_text()
    template = block.locator(".opblock-summary-path").get_attribute("data-path") or ""
    path = re.compile("(/tenants/[^/]+)?/v1" + re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template)))

    def is_its_own(answer: Response) -> bool:
        # The page also asks, by itself, who the caller is.
        request = answer.request
        return request.method == method and bool(path.fullmatch(urlsplit(request.url).path))

    with page.expect_response(is_its_own) as info:
        block.locator("button.execute").click()
    status, text = info.value.status, info.value.text()
    live = block.locator(".live-responses-table .response")
    expect(live.locator(".response-col_status")).to_contain_text(str(status))
    expect(live.locator("pre").first).to_be_visible()
    return status, text
