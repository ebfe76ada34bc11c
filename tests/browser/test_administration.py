"""Users and the audit trail on the administration page."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.looks import look, require_accessible
from tests.browser.people import sign_in
from tests.browser.town import Person
from tests.browser.watch import Watch
from tests.cluster.kit import GUARD, Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster, pytest.mark.ffmpeg]


def administer(cluster: Cluster, *arguments: str, check: bool = True) -> None:
    """Run a command of `dffmpeg-admin` on the cluster's machine."""
    config = str(cluster.data / "coordinator.toml")
    command = [sys.executable, "-m", "dffmpeg.admin", "--config", config, *arguments]
    subprocess.run(command, check=check, capture_output=True, timeout=GUARD)


@pytest.fixture
def dave(cluster: Cluster) -> Iterator[str]:
    """Somebody who looks, and is gone afterwards."""
    administer(cluster, "user", "add", "dave", "--role", "viewer", "--network", "10.0.0.0/8")
    yield "dave"
    # The test may have done it.
    administer(cluster, "user", "delete", "dave", "--yes", check=False)


@pytest.fixture
def boss(page: Page, cluster: Cluster) -> Page:
    """The administration page of an administrator who has signed in."""
    sign_in(page, cluster)
    return page


def user(page: Page, name: str) -> Locator:
    return page.locator(f'.people [data-key="{name}"]')


def trail(page: Page) -> Locator:
    """The entries that are shown."""
    return page.locator(".trail tbody tr")


def test_users_and_the_trail_are_shown(boss: Page, cluster: Cluster, dave: str) -> None:
    boss.goto("status#/administration")
    expect(user(boss, dave)).to_contain_text("viewer")
    expect(user(boss, dave)).to_contain_text("10.0.0.0/8")
    expect(user(boss, "worker1")).to_contain_text("anywhere")
    # Nobody does these things to oneself.
    expect(user(boss, "admin")).to_contain_text("(you)")
    expect(user(boss, "admin").get_by_role("button")).to_have_count(0)
    expect(trail(boss).filter(has_text="user add").first).to_contain_text("the coordinator's machine")
    expect(trail(boss).filter(has_text="sign in").first).to_contain_text("by: key")
    look(boss, "administration-users")


def test_networks_are_changed(boss: Page, watch: Watch, dave: str) -> None:
    boss.goto("status#/administration")
    user(boss, dave).get_by_role("button", name="Networks of dave").click()
    question = boss.get_by_role("dialog")
    expect(question.get_by_label("Networks")).to_have_value("10.0.0.0/8")
    require_accessible(boss, "networks")
    watch.expect("422")
    question.get_by_label("Networks").fill("everywhere")
    boss.keyboard.press("Enter")
    expect(boss.locator(".toast.bad")).to_contain_text("expected a network")
    user(boss, dave).get_by_role("button", name="Networks of dave").click()
    boss.get_by_role("dialog").get_by_label("Networks").fill("192.168.0.0/24, ::1")
    boss.keyboard.press("Enter")
    expect(user(boss, dave)).to_contain_text("192.168.0.0/24, ::1")
    newest = trail(boss).first
    expect(newest).to_contain_text("user networks")
    expect(newest).to_contain_text("networks: 192.168.0.0/24, ::1")


def test_a_user_is_deleted_after_a_question(boss: Page, dave: str) -> None:
    boss.goto("status#/administration")
    user(boss, dave).get_by_role("button", name="Delete dave").click()
    boss.get_by_role("dialog").get_by_role("button", name="Leave it").click()
    expect(user(boss, dave)).to_have_count(1)
    user(boss, dave).get_by_role("button", name="Delete dave").press("Enter")
    boss.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(user(boss, dave)).to_have_count(0)
    expect(trail(boss).first).to_contain_text("user delete")


def test_the_trail_goes_on_and_is_narrowed(boss: Page, admin: Person) -> None:
    for number in range(27):
        admin.post("/queue/pause" if number % 2 == 0 else "/queue/resume")
    admin.post("/queue/resume")
    boss.goto("status#/administration")
    expect(trail(boss)).to_have_count(25)
    boss.get_by_role("button", name="More", exact=True).click()
    expect(trail(boss).nth(26)).to_be_visible()
    boss.get_by_label("Show", exact=True).select_option("session")
    expect(trail(boss).filter(has_text="queue")).to_have_count(0)
    expect(trail(boss).filter(has_text="sign in").first).to_be_visible()
    boss.get_by_label("Show", exact=True).select_option("security")
    expect(boss.get_by_text("Nothing of the kind is recorded.")).to_be_visible()


def test_what_is_done_here_is_there_at_once(boss: Page) -> None:
    boss.goto("status#/administration")
    boss.get_by_role("button", name="Pause the queue").click()
    boss.get_by_role("dialog").get_by_label("Why").fill("<b>moving</b>")
    boss.keyboard.press("Enter")
    expect(trail(boss).first).to_contain_text("reason: <b>moving</b>")
    boss.get_by_role("button", name="Resume the queue").click()
    expect(trail(boss).first).to_contain_text("queue resume")


def test_only_administrators_see_them(page: Page, cluster: Cluster) -> None:
    sign_in(page, cluster, "client")
    page.goto("status#/administration")
    expect(page.get_by_text("This is for administrators.")).to_be_visible()
    expect(page.get_by_role("table", name=re.compile("Users|Audit"))).to_have_count(0)
