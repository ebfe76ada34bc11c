"""The watch over pages sees what it is there for, and axe too."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.looks import require_accessible
from tests.browser.watch import Watch, watched
from tests.cluster.kit import GUARD, Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster]


FAULTS = {
    "console.error('it hurts')": "console, error: it hurts",
    "setTimeout(() => { throw new Error('it broke') })": "error: it broke",
    "fetch('nothing-is-here')": "answered 404: GET",
    "new Image().src = 'http://example.net/pixel'": "Content Security Policy",
    "fetch('http://127.0.0.1:9/other').catch(() => null)": "another host: http://127.0.0.1:9/other",
}


@pytest.mark.parametrize("script", FAULTS)
def test_a_fault_of_a_page_is_seen(browser: Browser, cluster: Cluster, script: str) -> None:
    with watched(browser, f"{cluster.url}/", bypass_csp="127.0.0.1" in script) as (page, watch):
        page.goto("health")
        page.evaluate(f"() => {{ {script} }}")
        give_up = time.monotonic() + GUARD
        while not any(FAULTS[script] in fault for fault in watch.faults):
            assert time.monotonic() < give_up, watch.faults
            # Lets the browser's events in.
            page.wait_for_timeout(1)
        with pytest.raises(AssertionError, match="the browser complains"):
            watch.check()
        watch.expect(".")


def test_faults_that_are_expected_are_none(page: Page, watch: Watch) -> None:
    watch.expect("favicon.ico")
    watch.expect("answered 404: GET .*/nothing-is-here")
    watch.expect("console, error: Failed to load resource.*404")
    page.goto("health")
    with page.expect_response("**/nothing-is-here"):
        page.evaluate("() => { fetch('nothing-is-here') }")


def test_axe_sees_what_a_reader_cannot(page: Page, watch: Watch) -> None:
    watch.expect("favicon.ico")
    page.goto("health")
    page.evaluate("() => { document.body.append(document.createElement('button')) }")
    with pytest.raises(AssertionError, match="button-name"):
        require_accessible(page, "health")
