"""One job's page: its progress and its log while it runs, and what can be done by whom."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dffmpeg.wire.jobs import Descriptor, Launch
from tests.browser.looks import look
from tests.browser.people import sign_in
from tests.browser.town import ENDLESS, Person
from tests.browser.watch import Watch
from tests.cluster.kit import Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster, pytest.mark.ffmpeg]

RED = "rgb(240, 113, 120)"


def pipe(cluster: Cluster, name: str) -> Path:
    """A new named pipe that programs of this cluster see."""
    path = cluster.folder / name
    os.mkfifo(path)
    path.chmod(0o666)
    return path


def test_a_log_is_read_along(page: Page, cluster: Cluster, client: Person) -> None:
    gate = pipe(cluster, "gate")
    job_id = client.submit(["200", str(gate)], "talk")
    page.goto(f"status#/jobs/{job_id}")
    log = page.locator(".log-panel .log")
    expect(log).to_contain_text("line 200")
    # The second status line stands where the first one stood.
    expect(log).to_contain_text("frame=22")
    assert "frame=1" not in log.inner_text()
    expect(log.locator("span", has_text="red")).to_have_css("color", RED)
    # Who reads back is left in peace, and told that there is more.
    log.evaluate("node => { node.scrollTop = 0 }")
    follow = page.get_by_role("button", name="Follow", exact=True)
    expect(follow).to_be_visible()
    gate.write_text("an answer\n")
    expect(page.get_by_role("button", name=re.compile(r"^Follow: \d+ new lines?$"))).to_be_visible()
    assert log.evaluate("node => node.scrollTop") == 0
    assert "behind the gate" not in log.inner_text()
    page.get_by_role("button", name=re.compile("^Follow")).click()
    expect(log).to_contain_text("behind the gate")
    page.get_by_role("button", name="stdout").click()
    expect(log).to_contain_text("an answer")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.path().read_text() == "an answer\n"
    expect(page.locator(".page-head .pill")).to_contain_text("completed")


def test_a_log_of_many_lines_is_bounded(page: Page, client: Person) -> None:
    job_id = client.submit(["12000"], "talk")
    client.ended(job_id)
    page.goto(f"status#/jobs/{job_id}")
    log = page.locator(".log-panel .log")
    expect(log).to_contain_text("line 12000")
    expect(page.get_by_text("The last 5,000 lines are here")).to_be_visible()
    assert 4000 < log.locator(".log-line").count() <= 5250


def test_a_job_of_ffmpeg_as_it_runs(page: Page, cluster: Cluster, client: Person, admin: Person) -> None:
    source = cluster.folder / "a film's source.mkv"
    made = cluster.run("-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=300", "-c:v", "mpeg4", str(source))
    assert made.returncode == 0, made.stderr
    arguments = ["-re", "-i", str(source), "-c", "copy", "-f", "null", "-"]
    job_id = client.submit(arguments, name="In real time", labels=["nightly"])
    page.goto(f"status#/jobs/{job_id}")
    bar = page.get_by_role("progressbar", name="Done")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]"))
    expect(page.locator(".progress-panel")).to_contain_text("left")
    expect(page.locator(".log-panel .log")).to_contain_text("time=")
    expect(page.locator(".timeline")).to_contain_text("worker")
    command = page.locator(".command")
    expect(command).to_contain_text("$Media/")
    page.get_by_role("button", name="Client", exact=True).click()
    assert shlex.split(command.inner_text()) == ["ffmpeg", *arguments]
    # A viewer of the network operates nothing.
    assert page.get_by_role("button", name="Cancel", exact=True).count() == 0
    look(page, "job-running")
    admin.cancel(job_id)
    expect(page.locator(".page-head .pill")).to_contain_text("canceled")


def test_a_job_can_be_canceled_after_signing_in_and_not_before(
    page: Page, watch: Watch, cluster: Cluster, client: Person
) -> None:
    job_id = client.submit(ENDLESS, name="To be canceled")
    client.progressed(job_id)
    page.goto(f"status#/jobs/{job_id}")
    expect(page.locator(".page-head .pill")).to_contain_text("running")
    assert page.get_by_role("button", name="Cancel", exact=True).count() == 0
    watch.expect(f"40[13].*{job_id}/cancel")
    refused = page.evaluate(
        "async (id) => (await fetch(`api/v1/jobs/${id}/cancel`, {method: 'POST', body: '{}'})).status", job_id
    )
    assert refused in (401, 403)
    sign_in(page, cluster)
    page.goto(f"status#/jobs/{job_id}")
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Cancel this job?")
    # Leaving it does nothing.
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.locator(".page-head .pill")).to_contain_text("running")
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog.get_by_role("button", name="Cancel the job").click()
    expect(page.locator(".page-head .pill")).to_contain_text("canceled")
    assert client.ended(job_id).status == "canceled"
    page.get_by_role("button", name="Run again").click()
    page.get_by_role("dialog").get_by_role("button", name="Run again").click()
    page.wait_for_url(lambda url: "#/jobs/" in url and job_id not in url)
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the job").click()
    expect(page.locator(".page-head .pill")).to_contain_text("canceled")


def test_a_job_that_waits_says_why(page: Page, cluster: Cluster, client: Person, admin: Person) -> None:
    job_id = client.submit(ENDLESS, name="Nobody can", labels=["nightly"], require=["label=not-there"])
    sign_in(page, cluster)
    page.goto(f"status#/jobs/{job_id}")
    why = page.locator("section", has_text="Why it waits")
    expect(why).to_contain_text("worker1")
    expect(why).to_contain_text("cannot run it")
    page.get_by_role("button", name="Priority").click()
    page.get_by_role("spinbutton", name="Priority").fill("7")
    page.get_by_role("dialog").get_by_role("button", name="Change").click()
    expect(page.locator(".about")).to_contain_text("7")
    look(page, "job-waiting")
    admin.cancel(job_id)


def test_a_failure_shows_what_it_said_last(page: Page, client: Person) -> None:
    job_id = client.submit(["-hide_banner", "-i", "not-there.mkv", "-f", "null", "-"], name="A failure")
    client.ended(job_id)
    page.goto(f"status#/jobs/{job_id}")
    attempt = page.locator(".attempt").first
    expect(attempt).to_contain_text("failed")
    expect(page.locator(".about")).to_contain_text("No such file or directory")
    attempt.get_by_text("What it said last").click()
    expect(attempt.locator("pre")).to_contain_text("No such file or directory")
    look(page, "job-failed")


def test_a_log_that_is_elsewhere_is_said_to_be(page: Page, client: Person) -> None:
    pipe, same = Descriptor(number=1, kind="pipe", direction="out"), Descriptor(number=2, kind="same", of=1)
    both = client.submit(["1"], "talk", launch=Launch(descriptors=[pipe, same]))
    nowhere = client.submit(
        ["1"], "talk", launch=Launch(descriptors=[pipe, Descriptor(number=2, kind="null")])
    )
    page.goto(f"status#/jobs/{both}")
    panel = page.locator(".log-panel")
    expect(panel.locator(".log")).to_contain_text("line 1")
    expect(panel.get_by_role("button", name="stdout and stderr")).to_have_attribute("aria-pressed", "true")
    page.goto(f"status#/jobs/{nowhere}")
    expect(panel).to_contain_text("Its stderr goes where its caller has it go")
    expect(panel.get_by_role("button", name="stderr")).to_have_count(0)


def test_a_job_that_is_not_there(page: Page, watch: Watch) -> None:
    watch.expect("404.*/api/v1/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV")
    page.goto("status#/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV")
    expect(page.get_by_text("There is no such job.")).to_be_visible()
