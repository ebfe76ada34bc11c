"""The dashboard below a path of a reverse proxy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.people import sign_in
from tests.browser.prefix import PREFIX, proxied
from tests.browser.town import ENDLESS, Person
from tests.browser.watch import watched
from tests.cluster.kit import Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster, pytest.mark.ffmpeg, pytest.mark.servers("haproxy")]


@pytest.fixture
def prefixed(browser: Browser, cluster: Cluster, tmp_path: Path) -> Iterator[Page]:
    """A page whose addresses are below the prefix."""
    with proxied(cluster.url, tmp_path) as url, watched(browser, f"{url}/") as (page, _watch):
        yield page


def test_everything_is_below_the_prefix(prefixed: Page, cluster: Cluster, client: Person) -> None:
    asked: list[str] = []
    prefixed.on("request", lambda request: asked.append(request.url))
    prefixed.on("websocket", lambda socket: asked.append(socket.url))
    prefixed.goto("")
    expect(prefixed.locator("#connection")).to_contain_text("live")
    assert prefixed.url.endswith(f"{PREFIX}/status")
    job_id = client.submit(ENDLESS, name="Below a prefix")
    client.progressed(job_id)
    sign_in(prefixed, cluster)
    assert {cookie["path"] for cookie in prefixed.context.cookies()} == {PREFIX}
    prefixed.goto(f"status#/jobs/{job_id}")
    expect(prefixed.locator(".log")).to_contain_text("time=")
    prefixed.get_by_role("button", name="Cancel", exact=True).click()
    prefixed.get_by_role("dialog").get_by_role("button", name="Cancel the job").click()
    expect(prefixed.locator(".page-head .pill")).to_contain_text("canceled")
    prefixed.get_by_role("link", name="Jobs").click()
    expect(prefixed.locator(f'tr[data-key="{job_id}"]')).to_contain_text("canceled")
    prefixed.get_by_role("link", name="The API").click()
    expect(prefixed.locator(".opblock-tag").first).to_be_visible()
    assert [url for url in asked if PREFIX not in url] == []
