"""The supervision tree, while something in it crashes."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.looks import look
from tests.browser.town import Person

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

VICTIM = "coordinator/hindrances"
"""Behind the web server in the tree: what stands before it takes the page's own connection with it."""


def test_a_crash_and_its_healing_are_seen(page: Page, admin: Person) -> None:
    page.goto("status#/tree")
    expect(page.locator("#connection")).to_contain_text("live")
    node = page.locator(f'[data-path="{VICTIM}"]').first
    expect(node).to_have_attribute("data-state", "running")
    restarts = int(node.get_attribute("data-restarts") or 0)
    admin.post("/debug/crash", {"path": VICTIM})
    expect(node).to_have_attribute("data-restarts", str(restarts + 1))
    expect(node).to_have_attribute("data-state", "running")
    expect(node).to_contain_text("restarted")
    look(page, "tree")
