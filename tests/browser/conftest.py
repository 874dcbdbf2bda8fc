"""Chromium, where there is one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ViewportSize, sync_playwright
from support.programs import missing

#: Nothing is looked up or fetched in the background.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or another that is installed."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        missing("no Chromium: apt install chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that remembers nothing.

    Reduced motion: before each click, Playwright waits until an element has stopped moving.
    """
    viewport: ViewportSize = {"width": 1280, "height": 1000}
    fresh = browser.new_context(viewport=viewport, reduced_motion="reduce")
    yield fresh
    fresh.close()


@pytest.fixture(scope="session")
def reports() -> Path:
    """Where screenshots are kept for review."""
    folder = Path(__file__).parents[2] / "reports"
    folder.mkdir(exist_ok=True)
    return folder
