"""A worker's page tells what there is to know of it, and what it does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from dffmpeg import __version__
from dffmpeg.client.api import Client
from dffmpeg.wire.workers import WorkerRecord
from tests.browser import town
from tests.browser.looks import look
from tests.browser.people import sign_in
from tests.browser.town import ENDLESS, SHORT, Person
from tests.browser.watch import watched
from tests.cluster.kit import Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster, pytest.mark.ffmpeg]

SETTINGS = """sandbox = "off"
labels = ["fast", "quiet"]
weight = 1.5
hours = "00:00-24:00"
[resources]
nvenc = 3
[mounts.Kernel]
path = "/proc"
read = "version"
[mounts.Archive]
path = "{archive}"
"""


@pytest.fixture
def equipped(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster whose only worker has all that a page can tell, and one mount that is not there."""
    archive, folder = tmp_path / "archive", tmp_path / "cluster"
    for place in (archive, folder):
        place.mkdir()
    cluster = town.cluster(folder, "--slots", "2")
    (cluster.data / "worker1.toml").write_text(SETTINGS.format(archive=archive))
    with cluster as running:
        yield running


@pytest.fixture
def page(browser: Browser, equipped: Cluster) -> Iterator[Page]:
    with watched(browser, f"{equipped.url}/") as (page, _watch):
        yield page


def fact(page: Page, name: str) -> Locator:
    """What stands behind a name in the list of facts."""
    named = page.locator("dt").filter(has_text=name)
    return page.get_by_role("region", name="About").locator("dl > div").filter(has=named).locator("dd")


def of_worker(person: Person) -> WorkerRecord:
    async def run(client: Client) -> WorkerRecord:
        return await client._http.call("GET", "/workers/worker1", WorkerRecord)

    return person.ask(run)


def test_what_it_is_and_has(page: Page, equipped: Cluster, tmp_path: Path) -> None:
    admin = Person(equipped, "admin")
    page.goto("status#/workers/worker1")
    expect(page.get_by_role("heading", name="worker1")).to_be_visible()
    expect(page.locator(".page-head .pill")).to_have_text("online")
    about: Mapping[str, str | re.Pattern[str]] = {
        "Version": __version__,
        "Programs": "ffmpeg, ffprobe, talk",
        "Labels": "fastquiet",
        "Resources": "nvenc: 3",
        "Weight": "1.50",
        "Takes jobs": re.compile("^00:00-24:00 "),
        "Reached over": "websocket",
        "Registers every": "10 s",
    }
    for name, said in about.items():
        expect(fact(page, name)).to_have_text(said)
    expect(fact(page, "Seen").locator("time")).to_be_visible()
    mounts = page.get_by_role("region", name="Paths and mounts").locator("li")
    expect(mounts).to_have_text(
        [f"Archivegone: nothing is mounted at {tmp_path / 'archive'}", "Kernelhealthy", "Mediathere"]
    )
    program = page.locator(".program").filter(has=page.get_by_role("heading", name="ffmpeg", exact=True))
    expect(program).to_contain_text("mpeg4")
    found = of_worker(admin).abilities["ffmpeg"]
    assert found.version
    expect(program).to_contain_text(found.version)
    encoders = program.locator("details").filter(has=page.get_by_text("encoders"))
    expect(encoders.locator(".tag", has_text="mpeg4").first).to_be_hidden()
    encoders.locator("summary").click()
    expect(encoders.get_by_text("mpeg4", exact=True)).to_be_visible()
    look(page, "worker-equipped")


def test_how_fast_it_is(page: Page, equipped: Cluster) -> None:
    sign_in(page, equipped)
    page.goto("status#/workers/worker1")
    page.get_by_role("button", name="Probe").click()
    question = page.get_by_role("dialog")
    question.get_by_label("Benchmark").select_option("yes")
    question.get_by_role("button", name="Probe").click()
    expect(fact(page, "Benchmark")).to_contain_text("megapixels/s")


def test_what_it_does_and_did(page: Page, equipped: Cluster) -> None:
    client = Person(equipped, "client")
    page.goto("status#/workers/worker1")
    at_hand = page.get_by_role("region", name="Jobs in hand")
    history = page.get_by_role("region", name="History")
    expect(at_hand).to_contain_text("Nothing runs here.")
    expect(history).to_contain_text("It has finished no job yet.")
    ended = client.submit(SHORT, name="A short one")
    client.ended(ended)
    broken = client.submit(["-i", "not-there.mkv", "-f", "null", "-"], name="A broken one")
    client.ended(broken)
    running = client.submit(ENDLESS, name="A long one")
    client.progressed(running)
    for _ in ("as it happens", "as it is read anew"):
        row = at_hand.locator(f'tr[data-key="{running}"]')
        expect(row.get_by_role("link", name="A long one")).to_have_attribute("href", f"#/jobs/{running}")
        expect(row.locator(".state")).to_contain_text("running")
        expect(row.locator(".speed")).to_contain_text("×")
        expect(at_hand.locator(".panel-beside")).to_have_text("1/2")
        expect(history.locator("tbody tr")).to_have_count(2)
        for job_id, name, state, code in (
            (broken, "A broken one", "failed", "exit "),
            (ended, "A short one", "completed", "exit 0"),
        ):
            past = history.locator(f'tr[data-key="{job_id}"]')
            expect(past.get_by_role("link", name=name)).to_have_attribute("href", f"#/jobs/{job_id}")
            expect(past.locator(".state")).to_contain_text(state)
            expect(past.locator(".exit")).to_contain_text(code)
            expect(past.locator(".for")).to_contain_text("local")
            expect(past.locator("time")).to_be_visible()
        page.reload()
    client.cancel(running)
    expect(at_hand).to_contain_text("Nothing runs here.")
    expect(history.locator("tbody tr").first).to_contain_text("A long one")
    expect(history.locator("tbody tr").first.locator(".state")).to_contain_text("canceled")
