"""How pages look: for a person, from screenshots, and for those who cannot see them, by the rules of axe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.watch import WIDTHS

SCREENSHOTS = "DFFMPEG_TEST_SCREENSHOTS"
"""The environment variable with the folder that screenshots are kept in; without it there are none."""

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

_SERIOUS = {"serious", "critical"}

_axe = Axe()


def look(page: Page, name: str) -> None:
    """Look at a page in each width and scheme; it is as before afterwards.

    Raises:
        AssertionError: axe finds a serious fault, or the page is wider than its window.
    """
    before = page.viewport_size
    for (width, height), asked in zip(WIDTHS.items(), SCHEMES, strict=True):
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            photograph(page, f"{name}-{width}-{scheme}", whole=True)
            # It takes its time. Colours do not depend on the width, and nothing else on the colours.
            if scheme == asked:
                require_accessible(page, f"{name}, {width} pixels, {scheme}")
        overflow = page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")
        assert overflow <= 0, f"{name} is {overflow} pixels wider than a window of {width}"
    page.emulate_media(color_scheme="null", reduced_motion="null")
    if before is not None:
        page.set_viewport_size(before)


def require_accessible(page: Page, name: str) -> None:
    """Raises AssertionError with what axe calls serious or critical."""
    found = _axe.run(page).response["violations"]
    serious = [fault for fault in found if fault["impact"] in _SERIOUS]
    words = [
        f"{fault['id']}: {fault['help']}\n"
        + "\n".join(f"  {node['target']} {node['failureSummary']}" for node in fault["nodes"][:5])
        for fault in serious
    ]
    assert not words, f"axe, {name}:\n" + "\n".join(words)


def photograph(page: Page, name: str, *, whole: bool = False) -> None:
    """Keep a screenshot, if somebody wants them.

    Args:
        name: of the file, without its ending.
        whole: the page from its beginning to its end; else what is in the window.
    """
    folder = os.environ.get(SCREENSHOTS)
    if folder:
        # The page's head stays in sight, and would stand in the middle of a whole page.
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=Path(folder, f"{name}.png"), full_page=whole)
