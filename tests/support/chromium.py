"""Chromium with a fake microphone that beeps once a second, for the tests in a browser.

Playwright loads on first use: all test runs collect these tests, and few have a browser.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserType

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
]


ALLOW, DENY = "--use-fake-ui-for-media-stream", "--use-fake-ui-for-media-stream=deny"


@contextlib.contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """Launch one whose pages may use the microphone, with further flags."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, launched(playwright.chromium, ALLOW, *flags) as browser:
        yield browser


@contextlib.contextmanager
def launched(kind: BrowserType, microphone: str, *flags: str) -> Iterator[Browser]:
    """Launch one, beside another too.

    Args:
        kind: Playwright's Chromium, or the other one's `browser_type`.
        microphone: `ALLOW` or `DENY`.
        flags: Further flags of its command line.
    """
    path = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    assert path, f"none of {', '.join(BROWSERS)} is on PATH; on Debian: apt-get install chromium"
    browser = kind.launch(executable_path=path, headless=True, args=[*FLAGS, microphone, *flags])
    try:
        yield browser
    finally:
        browser.close()


def expect(shown: Any) -> Any:
    """Expect something of a page, with Playwright's assertions."""
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE * 1000)
    return expect(shown)
