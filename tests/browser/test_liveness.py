"""Pages change with what they show.

How fast is reported with the tests and measured by `benchmarks/liveness.py`: 0.3 s are promised. That nothing
is shown before it happens, and all of it in its order, holds on a busy machine too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.liveness import crash_delays, delays
from tests.browser.test_tree import VICTIM
from tests.browser.town import Person
from tests.cluster.kit import Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

Report = Callable[[str, object], None]


def test_the_end_of_a_job_is_seen(
    page: Page, cluster: Cluster, client: Person, record_testsuite_property: Report
) -> None:
    found = list(delays(page, client, Path(cluster.folder), 5))
    record_testsuite_property("seconds from a job's end to the page", found)
    assert all(delay > 0 for delay in found), found


def test_a_crash_is_seen_behind_what_was_before_and_its_healing_behind_it(
    page: Page, admin: Person, record_testsuite_property: Report
) -> None:
    found = list(crash_delays(page, admin, VICTIM, 3))
    record_testsuite_property("seconds from a crash to the page", found)
    assert all(delay > 0 for delay in found), found
