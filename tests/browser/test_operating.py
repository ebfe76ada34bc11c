"""What one may do at the dashboard, and that the page says what becomes of it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from dffmpeg.configuration import load
from dffmpeg.configuration.client import ClientConfig
from tests.browser.chromium import GUARD_MS
from tests.browser.looks import require_accessible
from tests.browser.people import sign_in
from tests.browser.town import ENDLESS, Person
from tests.browser.watch import Watch
from tests.cluster.kit import Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster, pytest.mark.ffmpeg]

CRASHED = (r"/api/v1/|live\.js",)
"""What a browser complains of while the web server is started again."""


@pytest.fixture
def boss(page: Page, cluster: Cluster) -> Page:
    """The page of an administrator who has signed in."""
    sign_in(page, cluster)
    config = load(ClientConfig, "client", cluster.data / "admin.toml")
    # The key is nowhere any more, nor can a script get at the session.
    assert config.hmac_key not in page.content()
    assert page.evaluate("document.cookie") == ""
    assert page.evaluate("Object.keys(localStorage).concat(Object.keys(sessionStorage))") == []
    return page


def test_a_worker_is_paused_and_resumed(boss: Page) -> None:
    boss.goto("status#/workers/worker1")
    head = boss.locator(".page-head")
    expect(head.locator(".pill")).to_have_text("online")
    head.get_by_role("button", name="Pause").click()
    question = boss.get_by_role("dialog")
    expect(question).to_contain_text("It gets no new jobs.")
    require_accessible(boss, "question")
    # Without a reason it is not done.
    question.get_by_role("button", name="Pause").click()
    expect(question).to_be_visible()
    question.get_by_label("Why").fill("new <b>disks</b>")
    boss.keyboard.press("Enter")
    expect(head.locator(".pill")).to_have_text("paused")
    expect(boss.locator("#page")).to_contain_text("Gets no new jobs: new <b>disks</b>")
    head.get_by_role("button", name="Resume").click()
    expect(head.locator(".pill")).to_have_text("online")
    expect(head.get_by_role("button", name="Resume")).to_have_count(0)


def test_a_question_can_be_left(boss: Page) -> None:
    boss.goto("status#/workers/worker2")
    drain = boss.locator(".page-head").get_by_role("button", name="Drain")
    drain.click()
    boss.keyboard.press("Escape")
    expect(boss.get_by_role("dialog")).to_have_count(0)
    expect(drain).to_be_focused()
    expect(boss.locator(".page-head .pill")).to_have_text("online")


def test_a_worker_is_drained(boss: Page) -> None:
    boss.goto("status#/workers/worker2")
    head = boss.locator(".page-head")
    head.get_by_role("button", name="Drain").click()
    boss.get_by_role("dialog").get_by_label("Why").fill("new disks")
    boss.keyboard.press("Enter")
    expect(head.locator(".pill")).to_have_text("draining")
    head.get_by_role("button", name="Resume").click()
    expect(head.locator(".pill")).to_have_text("online")


def test_the_queue_is_paused_and_resumed(boss: Page) -> None:
    boss.goto("status#/administration")
    boss.get_by_role("button", name="Pause the queue").click()
    boss.get_by_role("dialog").get_by_label("Why").fill("moving house")
    boss.keyboard.press("Enter")
    expect(boss.locator(".queue-state")).to_contain_text("moving house")
    boss.goto("status#/")
    expect(boss.locator(".page-head")).to_contain_text("queue paused: moving house")
    boss.goto("status#/administration")
    boss.get_by_role("button", name="Resume the queue").click()
    expect(boss.get_by_role("button", name="Pause the queue")).to_be_visible()
    boss.goto("status#/")
    expect(boss.locator(".page-head")).not_to_contain_text("queue paused")


def test_the_janitor_sweeps(boss: Page) -> None:
    boss.goto("status#/administration")
    boss.get_by_role("button", name="Sweep now").click()
    boss.get_by_role("dialog").get_by_label("What").select_option("clean_jobs")
    boss.get_by_role("button", name="Sweep", exact=True).click()
    expect(boss.get_by_role("row", name=re.compile("clean jobs")).first).to_be_visible()


def test_signing_out_takes_the_buttons_away(boss: Page) -> None:
    boss.goto("status#/workers/worker1")
    expect(boss.get_by_role("button", name="Pause")).to_be_visible()
    boss.get_by_role("button", name="Sign out").first.click()
    expect(boss.get_by_role("link", name="Sign in")).to_be_visible()
    boss.goto("status#/workers/worker1")
    expect(boss.get_by_role("heading", name="Jobs in hand")).to_be_visible()
    expect(boss.get_by_role("button", name="Pause")).to_have_count(0)
    boss.goto("status#/administration")
    expect(boss.get_by_text("This is for administrators.")).to_be_visible()


def test_a_link_leaves_the_address_at_once(page: Page, watch: Watch) -> None:
    watch.expect("401")
    page.goto("status#/sign-in?link=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    expect(page.get_by_role("alert").first).to_contain_text("login-link")
    assert page.url.endswith("/status#/sign-in")


def test_a_running_job_is_at_the_overview_until_it_ends(page: Page, client: Person, admin: Person) -> None:
    page.goto("status#/")
    expect(page.locator("#connection")).to_have_text("live")
    job_id = client.submit([*ENDLESS[:-3], "-t", "3600", *ENDLESS[-3:]], name="long film")
    row = page.locator(f'.running-jobs [data-key="{job_id}"]')
    expect(row).to_contain_text("long film")
    expect(row.locator(".pill")).to_have_text("running")
    # Of an encode of an hour in real time: hardly anything, but known.
    expect(row.locator(".done-text")).to_have_text("0 %", timeout=GUARD_MS)
    expect(row.locator(".speed")).to_have_text(re.compile(r"\d×"), timeout=GUARD_MS)
    expect(page.locator(".worker-list .cell.used")).to_have_count(1)
    admin.post(f"/jobs/{job_id}/cancel")
    expect(row).to_have_count(0)
    expect(page.locator(".worker-list .cell.used")).to_have_count(0)


def test_a_lost_connection_comes_back_by_itself(page: Page, watch: Watch, admin: Person) -> None:
    for pattern in CRASHED:
        watch.expect(pattern)
    page.goto("status#/workers")
    expect(page.locator("#connection")).to_have_text("live")
    page.evaluate(
        """() => {
          const [root, place] = [document.documentElement, document.getElementById("connection")];
          const note = () => (root.dataset.states = `${root.dataset.states ?? ""} ${place.textContent}`);
          new MutationObserver(note).observe(place, { subtree: true, childList: true });
        }"""
    )
    # The web server is started again with it.
    admin.post("/debug/crash", {"path": "coordinator/scheduler"})
    states = re.compile("no connection.* live$")
    expect(page.locator("html")).to_have_attribute("data-states", states, timeout=GUARD_MS)
    # What was shown before is still there.
    expect(page.locator("#page")).to_contain_text("worker2")


def test_everything_is_reached_by_keys(page: Page) -> None:
    page.goto("status#/")
    expect(page.locator("#connection")).to_have_text("live")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_focused()
    page.keyboard.press("g")
    page.keyboard.press("t")
    root = page.get_by_role("treeitem").first
    expect(root).to_be_visible()
    root.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator('[data-path="coordinator/store"]')).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(root).to_have_attribute("aria-expanded", "false")
    expect(page.locator('[data-path="coordinator/store"]')).to_be_hidden()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_a_choice_of_colours_is_remembered(page: Page) -> None:
    page.emulate_media(color_scheme="light")
    page.goto("status#/")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    switch = page.get_by_role("button", name=re.compile("^Colours"))
    switch.click()
    switch.click()
    expect(switch).to_have_accessible_name("Colours: dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light
    page.reload()
    expect(switch).to_have_accessible_name("Colours: dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
