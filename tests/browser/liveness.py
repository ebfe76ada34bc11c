"""How long it takes from an event to what somebody sees of it. All clocks are this machine's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, expect

from dffmpeg.wire import times
from tests.browser.town import Person

_OBSERVE = """() => {
  window.seen = {};
  const look = () => {
    for (const row of document.querySelectorAll("tr[data-key]")) {
      const name = row.dataset.key + " " + row.querySelector(".pill").dataset.state;
      window.seen[name] ??= performance.timeOrigin + performance.now();
    }
  };
  const everything = { subtree: true, childList: true, attributes: true };
  new MutationObserver(look).observe(document.getElementById("page"), everything);
}"""


_OBSERVE_TREE = """(path) => {
  window.seen = [];
  const look = () => {
    const node = document.querySelector(`[data-path="${path}"]`);
    const { restarts, state } = node.dataset;
    const last = window.seen.at(-1);
    if (last?.restarts === restarts && last?.state === state) return;
    window.seen.push({ restarts, state, at: performance.timeOrigin + performance.now() });
  };
  look();
  const everything = { subtree: true, childList: true, attributes: true };
  new MutationObserver(look).observe(document.getElementById("page"), everything);
}"""

_LAST_CRASH = """async (path) => {
  let node = await (await fetch("api/v1/tree")).json();
  for (const id of path.split("/").slice(1)) node = node.children.find((child) => child.id === id);
  return node.last_crash.at;
}"""


def delays(page: Page, client: Person, folder: Path, count: int) -> Iterator[float]:
    """Let jobs end while their list is shown, one after the other.

    Args:
        folder: where workers have their files; programs wait there for their signal.

    Yields:
        seconds from the end of each, by the coordinator's clock, until the page had changed.
    """
    page.goto("status#/jobs")
    expect(page.locator("#connection")).to_contain_text("live")
    page.evaluate(_OBSERVE)
    for number in range(count):
        gate = folder / f"gate-{os.getpid()}-{number}"
        os.mkfifo(gate)
        gate.chmod(0o666)
        job_id = client.submit(["1", str(gate)], "talk")
        row = page.locator(f'tr[data-key="{job_id}"]')
        expect(row).to_contain_text("running")
        gate.write_text("go\n")
        expect(row).to_contain_text("completed")
        seen = page.evaluate("(name) => window.seen[name]", f"{job_id} completed")
        ended = client.ended(job_id).ended_at
        assert ended is not None
        yield seen / 1000 - times.from_wire(ended)


def crash_delays(page: Page, admin: Person, victim: str, count: int) -> Iterator[float]:
    """Let an actor crash while the supervision tree is shown, again and again; each time it is seen to heal.

    Args:
        victim: its path in the tree of the coordinator.

    Yields:
        seconds from each crash, by the coordinator's clock, until the page had changed.
    """
    page.goto("status#/tree")
    expect(page.locator("#connection")).to_contain_text("live")
    node = page.locator(f'[data-path="{victim}"]').first
    expect(node).to_have_attribute("data-state", "running")
    for _ in range(count):
        page.evaluate(_OBSERVE_TREE, victim)
        restarts = int(node.get_attribute("data-restarts") or 0)
        admin.post("/debug/crash", {"path": victim})
        expect(node).to_have_attribute("data-restarts", str(restarts + 1))
        expect(node).to_have_attribute("data-state", "running")
        before, crashed, *_rest = seen = page.evaluate("window.seen")
        assert (before["state"], before["restarts"]) == ("running", str(restarts)), seen
        assert (seen[-1]["state"], seen[-1]["restarts"]) == ("running", str(restarts + 1)), seen
        yield crashed["at"] / 1000 - page.evaluate(_LAST_CRASH, victim)
