"""The pages that show the API's description: programs of others, under our policy.

How accessible they are is theirs; that they run, and ask nobody else for anything, is ours.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import GUARD_MS
from tests.browser.looks import photograph

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

TAGS = (
    "async () => [...new Set(Object.values((await (await fetch('openapi.json')).json()).paths)"
    ".flatMap(path => Object.values(path)).flatMap(operation => operation.tags ?? []))].length"
)
"""How many subjects the description has."""


def test_swagger_ui_shows_an_operation(page: Page) -> None:
    page.goto("docs")
    tags = page.locator(".opblock-tag")
    expect(tags.first).to_be_visible(timeout=GUARD_MS)
    assert tags.count() == page.evaluate(TAGS) > 3
    tags.filter(has_text="Jobs").first.click()
    operation = page.locator(".opblock", has_text="/api/v1/jobs/{job_id}/cancel").first
    operation.locator(".opblock-summary-control").click()
    expect(operation.locator(".responses-table").first).to_be_visible(timeout=GUARD_MS)
    photograph(page, "swagger")


def test_redoc_shows_an_operation(page: Page) -> None:
    page.goto("redoc")
    expect(page.locator("h1").first).to_contain_text("dffmpeg", timeout=GUARD_MS)
    page.locator("[role=menuitem]", has_text="Jobs").first.click()
    expect(page.locator("h3, h2", has_text="Cancel").first).to_be_attached(timeout=GUARD_MS)
    photograph(page, "redoc")
