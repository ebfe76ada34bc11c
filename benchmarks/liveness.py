"""How long it takes until a page shows what has happened: `python -m benchmarks.liveness [EVENTS]`.

Jobs end one after the other on a cluster of this machine while a real browser shows their list, and an actor
crashes again and again while it shows the supervision tree; counted is from the end, or the crash, by the
coordinator's clock to the change of the page. Needs Chromium. The median counts, on a
machine that is idle otherwise.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.browser import town
from tests.browser.chromium import open_browser
from tests.browser.liveness import crash_delays, delays
from tests.browser.test_tree import VICTIM
from tests.browser.town import Person
from tests.browser.watch import watched

CRASHES = 15


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("events", type=int, nargs="?", default=30, metavar="EVENTS")
    count = parser.parse_args().events
    with (
        tempfile.TemporaryDirectory(prefix="dffmpeg-liveness-") as name,
        town.cluster(Path(name), "--workers", "1") as cluster,
        open_browser() as browser,
        watched(browser, f"{cluster.url}/") as (page, _watch),
    ):
        ends = list(delays(page, Person(cluster, "client"), Path(name), count))
        # More within half a minute are a flood, which ends the coordinator.
        crashes = list(crash_delays(page, Person(cluster, "admin"), VICTIM, min(count, CRASHES)))
    show(f"{len(ends)} jobs, from the end of each to the page", ends)
    show(f"{len(crashes)} crashes, from each to the page", crashes)


def show(what: str, delays: Sequence[float]) -> None:
    """Print the figures of one kind of event; delays are seconds."""
    found = sorted(delay * 1000 for delay in delays)
    worst = found[min(len(found) - 1, int(len(found) * 0.95))]
    print(f"{what}, milliseconds:")
    print(f"  median {statistics.median(found):.0f}   95 % {worst:.0f}   most {found[-1]:.0f}")


if __name__ == "__main__":
    main()
