"""The list of jobs, as somebody looks at it while jobs come and go."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.looks import look
from tests.browser.town import ENDLESS, SHORT, Person

pytestmark = [pytest.mark.browser, pytest.mark.cluster, pytest.mark.ffmpeg]


@pytest.fixture
def running(client: Person, admin: Person) -> Iterator[str]:
    """The id of a job that runs until the end of the test."""
    job_id = client.submit(ENDLESS, name="An endless one", labels=["nightly"])
    client.progressed(job_id)
    yield job_id
    admin.cancel(job_id)


def row(page: Page, job_id: str) -> str:
    """The selector of a job's row."""
    return f'tr[data-key="{job_id}"]'


def test_a_job_appears_and_ends_without_a_reload(page: Page, client: Person) -> None:
    page.goto("status#/jobs")
    expect(page.locator("#connection")).to_contain_text("live")
    page.evaluate("() => { window.mark = 'not reloaded' }")
    job_id = client.submit(SHORT, name="Seen from its beginning")
    expect(page.locator(row(page, job_id))).to_contain_text("Seen from its beginning")
    expect(page.locator(row(page, job_id))).to_contain_text("completed")
    assert page.evaluate("() => window.mark") == "not reloaded"


def test_what_somebody_points_at_does_not_jump(page: Page, client: Person, running: str) -> None:
    page.goto("status#/jobs")
    expect(page.locator("#connection")).to_contain_text("live")
    shown = page.locator(row(page, running))
    shown.hover()
    before = shown.bounding_box()
    news = page.get_by_role("button", name="Show 1 new job")
    job_id = client.submit(SHORT)
    expect(news).to_be_visible()
    assert page.locator(row(page, job_id)).count() == 0
    assert shown.bounding_box() == before
    news.click()
    expect(page.locator(row(page, job_id))).to_be_visible()


def test_a_filter_can_be_kept_as_an_address(page: Page, client: Person, running: str) -> None:
    failed = client.submit(["-hide_banner", "-i", "missing-here.mkv", "-f", "null", "-"], name="A failure")
    client.ended(failed)
    page.goto("status#/jobs?state=running&label=nightly")
    expect(page.locator(row(page, running))).to_be_visible()
    assert page.locator(row(page, failed)).count() == 0
    page.get_by_role("button", name="Remove State: running").click()
    page.get_by_role("button", name="Remove Label: nightly").click()
    expect(page.locator(row(page, failed))).to_be_visible()
    page.get_by_role("button", name="failed", exact=True).click()
    expect(page.locator(row(page, running))).to_have_count(0)
    page.get_by_role("searchbox").fill("missing-here")
    page.wait_for_url("**/status#/jobs?state=failed&search=missing-here")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator(row(page, failed)).locator(".job-why")).to_contain_text("No such file or directory")
    look(page, "jobs-failed")
    page.go_back()
    expect(page.locator(row(page, running))).to_be_visible()
    page.goto("status#/jobs?search=nobody-writes-this")
    expect(page.get_by_text("No job is like that.")).to_be_visible()


def test_keys_and_looks(page: Page, client: Person, running: str) -> None:
    client.ended(client.submit(SHORT))
    page.goto("status#/jobs")
    page.locator(row(page, running)).wait_for()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    links = page.locator(".job-name a")
    links.first.focus()
    page.keyboard.press("ArrowDown")
    expect(links.nth(1)).to_be_focused()
    look(page, "jobs")
    page.keyboard.press("Enter")
    page.wait_for_url("**/status#/jobs/*")


def test_pages_go_on_where_the_one_before_ended(page: Page, client: Person) -> None:
    ids = [client.submit(["0"], "talk", name=f"Page {number}", labels=["pages"]) for number in range(53)]
    client.ended(ids[-1])
    page.goto("status#/jobs?label=pages")
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("button", name="Earlier").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.locator(row(page, ids[0]))).to_be_visible()
    page.get_by_role("button", name="Newest").click()
    expect(page.locator(row(page, ids[-1]))).to_be_visible()
