"""Every page: it shows what there is, and looks right wherever it is looked at."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from dffmpeg.wire.dashboard import HistoryPoint
from tests.browser.looks import look, require_accessible
from tests.browser.people import sign_in
from tests.browser.town import SHORT, Person
from tests.browser.watch import Watch
from tests.cluster.kit import Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster, pytest.mark.ffmpeg]

COUNTED = [name for name in HistoryPoint.__struct_fields__ if name != "at"]


def open_page(page: Page, place: str) -> None:
    page.goto(f"status#/{place}")
    expect(page.locator("#connection")).to_contain_text("live")


def test_overview(page: Page, client: Person) -> None:
    open_page(page, "")
    content = page.locator("#page")
    expect(content).to_contain_text("worker1")
    expect(content).to_contain_text("worker2")
    client.ended(client.submit(SHORT))
    client.ended(client.submit(["-i", "not-there.mkv", "-f", "null", "-"]))
    failure = page.locator(".failures tbody tr").first
    expect(failure.locator(".reason")).to_contain_text("No such file or directory")
    look(page, "overview")


def test_history_is_drawn(page: Page) -> None:
    """Of what the coordinator has counted, which takes minutes: here it is made up."""

    def answer(route: Route) -> None:
        step = 900 if "span=day" in route.request.url else 60
        point = {"at": "2026-01-31T12:00:00Z", **dict.fromkeys(COUNTED)}
        counted = point | {"completed": step // 20, "waited_mean": 12.0, "used_slots": 3, "bytes": step * 100}
        route.fulfill(json={"step": step, "points": [*[point] * 58, counted, point]})

    page.route("**/api/v1/history?*", answer)
    open_page(page, "")
    plots = page.locator("figure.plot")
    expect(plots.get_by_role("heading")).to_have_text(
        ["Jobs per minute", "Waiting time", "Slots and queue", "Throughput"]
    )
    for span in ("hour", "day"):
        choice = page.get_by_role("button", name=f"Last {span}")
        choice.click()
        expect(choice).to_have_attribute("aria-pressed", "true")
        expect(plots.nth(0).locator("svg rect")).to_have_count(1)
        expect(plots.nth(0).locator(".plot-value").first).to_have_text("3")
        expect(plots.nth(1).locator(".plot-value").last).to_contain_text("12")
        expect(plots.nth(2).locator(".plot-value").nth(1)).to_have_text("3")
        expect(plots.nth(3).locator(".plot-value")).to_contain_text("100")
    plots.nth(0).get_by_text("As a table").click()
    expect(plots.nth(0).locator("tbody tr")).to_have_count(60)
    require_accessible(page, "history")


def test_alerts_are_above_everything_else(page: Page, admin: Person) -> None:
    open_page(page, "")
    reason = "its disk <b>fails</b> under " + "load" * 40
    admin.post("/workers/worker2/quarantine", {"reason": reason})
    alert = page.locator(".alerts .alert")
    expect(alert).to_contain_text(f"Worker worker2 is in quarantine and gets no jobs: {reason}.")
    expect(alert.get_by_role("link", name="Show worker2")).to_have_attribute("href", "#/workers/worker2")
    look(page, "overview-alerts")
    admin.post("/workers/worker2/resume")
    expect(alert).to_have_count(0)


def test_workers(page: Page) -> None:
    open_page(page, "workers")
    expect(page.locator("#page")).to_contain_text("worker2")
    look(page, "workers")
    page.get_by_role("link", name="worker1").first.click()
    page.wait_for_url("**/status#/workers/worker1")
    expect(page.get_by_role("heading", name="worker1")).to_be_visible()
    expect(page.locator("#page")).to_contain_text("mpeg4")
    look(page, "worker")


def test_administration(page: Page, cluster: Cluster) -> None:
    page.goto("status#/sign-in")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    look(page, "sign-in")
    assert page.get_by_role("link", name="Administration").count() == 0
    sign_in(page, cluster)
    page.get_by_role("link", name=re.compile("^Admin")).click()
    expect(page.get_by_role("heading", name="Administration")).to_be_visible()
    look(page, "administration")
    page.get_by_role("button", name="Sign out").first.click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def test_a_wrong_key_is_said_so(page: Page, watch: Watch) -> None:
    watch.expect("401.*/api/v1/session")
    page.goto("status#/sign-in")
    page.locator("#client-id").fill("admin")
    page.locator("#key").fill("bm9ib2R5J3Mga2V5IGF0IGFsbCwgcmVhbGx5ISEhISE=")
    page.locator("form").get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator("form [role=alert]")).to_be_visible()
    look(page, "sign-in-refused")


def test_an_address_that_leads_nowhere(page: Page) -> None:
    page.goto("status#/nowhere")
    expect(page.get_by_text("There is no such page.")).to_be_visible()
    look(page, "nowhere")
