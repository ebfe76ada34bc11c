"""The coordinator is killed while somebody looks, and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import town
from tests.browser.looks import look
from tests.browser.town import Person
from tests.browser.watch import watched

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

AWAY = (r"/api/v1/", r"live\.js", r"icon\.svg")
"""What a browser complains of while nobody answers."""


def test_the_page_says_that_nobody_answers_and_goes_on_by_itself(browser: Browser, tmp_path: Path) -> None:
    with town.cluster(tmp_path, "--workers", "1") as cluster:
        client = Person(cluster, "client")
        job_id = client.submit(["1"], "talk", name="Before")
        client.ended(job_id)
        with watched(browser, f"{cluster.url}/") as (page, watch):
            for pattern in AWAY:
                watch.expect(pattern)
            page.goto("status#/jobs")
            row = page.locator(f'tr[data-key="{job_id}"]')
            expect(row).to_contain_text("Before")
            expect(page.locator("#connection")).to_have_text("live")
            cluster.kill("coordinator")
            banner = page.locator("#banner")
            expect(banner).to_contain_text("No live connection to the coordinator; what is shown may be old.")
            expect(banner).to_be_visible()
            expect(page.locator("#connection")).to_have_text("no connection")
            # What was known is still there, and what has to be asked for says why it is not.
            expect(row).to_be_visible()
            look(page, "lost")
            page.goto("status#/workers/worker1")
            expect(page.get_by_role("alert").first).to_contain_text("The coordinator does not answer.")
            look(page, "lost-worker")
            cluster.start("coordinator")
            expect(page.locator("#connection")).to_have_text("live")
            expect(banner).to_be_hidden()
            expect(page.get_by_role("heading", name="worker1")).to_be_visible()
            expect(page.locator("#page [role=alert]").first).to_be_hidden()
            page.goto("status#/jobs")
            expect(row).to_contain_text("Before")
