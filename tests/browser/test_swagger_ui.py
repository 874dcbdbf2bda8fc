"""Swagger UI in a real browser: explore, authorize, try out."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from support import Server, Tenant, signed
from support import swagger_page as ui

COOKIE = "better-auth.session_token"


def body(tenant: Tenant) -> dict[str, str]:
    return {"name": "From the page", "org_id": tenant.org_id, "env_id": tenant.env_id}


def assert_created(page: Page, tenant: Tenant) -> dict[str, str]:
    status, text = ui.execute(page, "createApiKey", body(tenant))
    assert status == 201, text
    created: dict[str, str] = json.loads(text)
    assert created["key"] in page.locator(".live-responses-table pre").first.inner_text()
    return created


def test_without_authorizing_it_shows_the_401(
    context: BrowserContext, server: Server, tenant: Tenant
) -> None:
    page, seen = ui.open_page(context, f"{server.url}/ui/")
    assert ui.execute(page, "createApiKey", body(tenant))[0] == 401
    seen.assert_clean()


@pytest.mark.parametrize("scheme", ["apiKeyHeader", "bearerToken"])
def test_with_a_key(context: BrowserContext, server: Server, tenant: Tenant, scheme: str) -> None:
    page, seen = ui.open_page(context, f"{server.url}/ui/")
    ui.authorize(page, scheme, tenant.key)
    assert_created(page, tenant)
    ui.logout(page, scheme)
    assert ui.execute(page, "createApiKey", body(tenant))[0] == 401
    seen.assert_clean()


def test_with_a_session_as_bearer_token(
    context: BrowserContext, server: Server, tenant: Tenant
) -> None:
    page, seen = ui.open_page(context, f"{server.url}/ui/")
    ui.authorize(page, "bearerToken", server.database.add_session(tenant.user_id))
    assert_created(page, tenant)
    seen.assert_clean()


@pytest.mark.parametrize("encoded", [True, False])
def test_with_the_session_cookie(
    context: BrowserContext,
    server: Server,
    tenant: Tenant,
    encoded: bool,  # noqa: FBT001 - as pytest gives it
) -> None:
    page, seen = ui.open_page(context, f"{server.url}/ui/")
    value = signed(server.database.add_session(tenant.user_id))
    ui.authorize(page, "sessionCookie", quote(value, safe="") if encoded else value)
    (cookie,) = context.cookies()
    assert (cookie["name"], cookie["path"], cookie["sameSite"]) == (COOKIE, "/v1/", "Strict")
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 1]
    assert_created(page, tenant)
    ui.logout(page, "sessionCookie")
    assert context.cookies() == []
    assert ui.execute(page, "createApiKey", body(tenant))[0] == 401
    seen.assert_clean()


def test_with_the_cookie_of_a_session_that_the_browser_has_already(
    context: BrowserContext, server: Server, tenant: Tenant
) -> None:
    value = quote(signed(server.database.add_session(tenant.user_id)), safe="")
    context.add_cookies([{"name": COOKIE, "value": value, "url": server.origin, "httpOnly": True}])
    page, seen = ui.open_page(context, f"{server.url}/ui/")
    assert_created(page, tenant)
    seen.assert_clean()


def test_leaving_the_page_forgets_the_cookie(
    context: BrowserContext, server: Server, tenant: Tenant
) -> None:
    page, _ = ui.open_page(context, f"{server.url}/ui/")
    ui.authorize(page, "sessionCookie", signed(server.database.add_session(tenant.user_id)))
    page.close()
    assert context.cookies() == []


def test_a_value_cannot_smuggle_attributes_into_the_cookie(
    context: BrowserContext, server: Server
) -> None:
    page, seen = ui.open_page(context, f"{server.url}/ui/")
    ui.authorize(page, "sessionCookie", "a b; Path=/; Domain=evil.example")
    (cookie,) = context.cookies()
    assert (cookie["path"], cookie["domain"]) == ("/v1/", "127.0.0.1")
    seen.assert_clean()


def test_a_cookie_that_the_browser_refuses_is_reported(
    context: BrowserContext, server: Server
) -> None:
    page, seen = ui.open_page(context, f"{server.url}/ui/")
    ui.open_dialog(page)
    entry = ui.dialog_entry(page, "sessionCookie")
    entry.locator("input").fill("x" * 5000)
    entry.get_by_role("button", name="Apply credentials").click()
    expect(entry).to_contain_text("did not accept")
    assert context.cookies() == []
    seen.assert_clean()


def test_the_whole_page_keeps_to_its_policy(
    context: BrowserContext, server: Server, tenant: Tenant, reports: Path
) -> None:
    page, seen = ui.open_page(context, f"{server.url}/ui/")
    page.screenshot(path=reports / "swagger-ui-page.png", full_page=True)
    ui.open_dialog(page)
    page.screenshot(path=reports / "swagger-ui-authorize.png")
    ui.close_dialog(page)
    ui.authorize(page, "apiKeyHeader", tenant.key)
    assert_created(page, tenant)
    block = ui.expand(page, "createApiKey")
    block.screenshot(path=reports / "swagger-ui-201.png")
    block.locator(".btn-clear").click()
    page.locator("section.models h4 button").click()
    for control in page.locator("section.models button.model-box-control").all():
        control.click()
    for operation in ("getHealth", "getReadiness", "getOpenapiJson"):
        assert ui.execute(page, operation)[0] == 200
    page.set_viewport_size({"width": 420, "height": 800})
    page.screenshot(path=reports / "swagger-ui-narrow.png")
    seen.assert_clean()


def test_a_link_to_an_operation_opens_it(context: BrowserContext, server: Server) -> None:
    # Without the slash: redirected.
    page, seen = ui.open_page(context, f"{server.url}/ui#/API%20keys/createApiKey")
    expect(page.locator("button.execute")).to_be_visible()
    seen.assert_clean()


def test_a_link_cannot_show_another_document(context: BrowserContext, server: Server) -> None:
    page = context.new_page()
    answer = page.goto(f"{server.url}/ui/?url=http://example.invalid/x.json")
    assert answer is not None
    assert answer.status == 400
