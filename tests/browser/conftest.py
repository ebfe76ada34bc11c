"""One browser and one cluster for all of these tests.

They are plain functions: Playwright's synchronous interface runs an event loop of its own in the thread of
the tests, so none of them may be asynchronous.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import town
from tests.browser.chromium import open_browser, program
from tests.browser.town import Person
from tests.browser.watch import Watch, watched
from tests.cluster.kit import Cluster
from tests.servers.requirements import Missing
from tests.services import require


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Gone with the last of these tests: its event loop would be in the way of others."""
    try:
        program()
    except Missing as missing:
        require("chromium", str(missing))
    with open_browser() as running:
        yield running


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A coordinator and two workers with two slots each, which all of these tests share."""
    with town.cluster(tmp_path_factory.mktemp("cluster"), "--workers", "2", "--slots", "2") as running:
        yield running


@pytest.fixture
def client(cluster: Cluster) -> Person:
    """Who submits jobs."""
    return Person(cluster, "client")


@pytest.fixture
def admin(cluster: Cluster) -> Person:
    """Who operates."""
    return Person(cluster, "admin")


@pytest.fixture
def view(browser: Browser, cluster: Cluster) -> Iterator[tuple[Page, Watch]]:
    """A page, and the watch over it, which lets no fault pass that it was not told to expect."""
    with watched(browser, f"{cluster.url}/") as found:
        yield found


@pytest.fixture
def page(view: tuple[Page, Watch]) -> Page:
    """A page that must have no fault at all until the end of the test."""
    return view[0]


@pytest.fixture
def watch(view: tuple[Page, Watch]) -> Watch:
    """The watch over `page`, for tests that expect a fault."""
    return view[1]
