"""A real browser: the machine's Chromium, driven by Playwright."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from playwright.sync_api import Browser, expect, sync_playwright

from tests.servers.requirements import Missing

PLACE = "DFFMPEG_TEST_BROWSER"
"""The environment variable that names another Chromium."""

_NAMES = ("chromium", "chromium-browser", "google-chrome")

GUARD_MS = 60_000.0
"""After so many milliseconds a test gives up on something that does not happen."""


def program() -> str:
    """The path of the browser.

    Raises:
        Missing: there is none.
    """
    named = os.environ.get(PLACE)
    for name in (named,) if named else _NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    raise Missing(f"there is no {named or 'chromium on this machine (package chromium)'}")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A headless Chromium around a block.

    While it is open no test of the same thread can use asyncio: Playwright runs its own loop in between.

    Raises:
        Missing: this machine has none.
    """
    path = program()
    expect.set_options(timeout=GUARD_MS)
    # Whatever a page asks for, nothing but this machine has an address.
    alone = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
    # Root has no sandbox, and a container little shared memory.
    arguments = [alone, "--no-sandbox", "--disable-dev-shm-usage", "--force-color-profile=srgb"]
    with ExitStack() as stack:
        # trio-asyncio, which other tests import, makes loops that need trio around them.
        with patch.object(asyncio, "new_event_loop", asyncio.SelectorEventLoop):
            playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=path, args=arguments, headless=True, timeout=GUARD_MS
        )
        try:
            yield browser
        finally:
            browser.close()
