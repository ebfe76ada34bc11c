"""Pages that are watched: what the browser has against them, and whom they talk to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response

from tests.browser.chromium import GUARD_MS

WIDTHS = {390: 844, 1440: 900}
"""Widths that pages are looked at in, each with its height, in CSS pixels."""


class Watch:
    """Notes every fault of a page, from its beginning.

    Args:
        page: nothing must have been loaded into it.
        host: `<host>:<port>`, the only one that it may talk to.

    Attributes:
        faults: each in words.
    """

    def __init__(self, page: Page, host: str) -> None:
        self.faults: list[str] = []
        self._hosts = {host}
        self._expected: list[re.Pattern[str]] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", lambda request: self._address(request.url))
        page.on("websocket", lambda socket: self._address(socket.url))
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    def expect(self, pattern: str) -> None:
        """Faults in whose words this is found are what the test is about."""
        self._expected.append(re.compile(pattern))

    def check(self) -> None:
        """Raises AssertionError if there is a fault that was not expected."""
        found = [fault for fault in self.faults if not any(one.search(fault) for one in self._expected)]
        assert not found, "the browser complains:\n" + "\n".join(found)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self.faults.append(f"console, {message.type}: {message.text} ({message.location['url']})")

    def _address(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc not in self._hosts:
            self.faults.append(f"another host: {url}")

    def _failed(self, request: Request) -> None:
        # What a page no longer waits for when it is left is broken off by the browser.
        if request.failure != "net::ERR_ABORTED":
            self.faults.append(f"failed: {request.method} {request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"answered {response.status}: {response.request.method} {response.url}")


@contextmanager
def watched(browser: Browser, url: str, **options: Any) -> Iterator[tuple[Page, Watch]]:
    """A page of a browser profile of its own around a block, and its watch, which is asked at the end.

    Args:
        url: what its relative addresses begin with; no other host may be asked for anything.
        options: of `Browser.new_context`.
    """
    width = 1440
    settings: dict[str, Any] = {"viewport": {"width": width, "height": WIDTHS[width]}, "base_url": url}
    context = browser.new_context(**{**settings, **options})
    try:
        context.set_default_timeout(GUARD_MS)
        page = context.new_page()
        watch = Watch(page, urlsplit(url).netloc)
        yield page, watch
        watch.check()
    finally:
        context.close()
