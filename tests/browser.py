"""Chromium, for the tests of pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium")
DISABLED = ("gpu", "quic", "background-networking", "component-update", "sync")

needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")


@contextmanager
def start_chromium() -> Iterator[Browser]:
    """Start a browser that asks nothing of any network by itself."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in DISABLED)],
        )
        yield browser
        browser.close()


@contextmanager
def watch_page(browser: Browser, width: int, height: int, ratio: float = 1) -> Iterator[tuple[Page, list[str]]]:
    """Open an empty page of this size, in pixels. Errors in its console fail the test.

    Args:
        ratio: pixels of the screen for a pixel of the page.

    Yields:
        The page, and the addresses that it has asked for.
    """
    requests: list[str] = []
    errors: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=ratio)
    page.set_default_timeout(10_000)
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        yield page, requests
    finally:
        page.close()
    assert not errors
