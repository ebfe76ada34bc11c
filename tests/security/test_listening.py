"""Listening where one is not meant to: captured handshakes, names of strangers, lists without end."""

from __future__ import annotations

import time

import pytest
from trio_websocket import ConnectionRejected

from dffmpeg.model.hosts import is_our_own
from dffmpeg.model.pages import PageRequest, Place
from dffmpeg.web.lists import MAX_OFFSET
from dffmpeg.wire.lists import cursor
from tests.web.conftest import Site, raw, sign
from tests.web.test_authentication import status_of

FEED = "/api/v1/events"


async def test_a_captured_handshake_is_no_ear_after_a_restart(site: Site) -> None:
    """What was signed before the start may be one that an earlier process accepted."""
    before = time.time() - 5
    with pytest.raises(ConnectionRejected) as rejection:
        async with site.websocket(FEED, headers=sign("viewer", "GET", FEED, now=before)):
            pass
    assert rejection.value.status_code == 503
    answer = await site.exchange(raw("GET", FEED, sign("viewer", "GET", FEED, now=before)))
    assert status_of(answer) == 503
    assert b"signed before" in answer


@pytest.mark.parametrize(
    ("at", "job_id", "skip"),
    [
        # All jobs would be read, or more than a database can count.
        *[(1e10, "X", skip) for skip in (MAX_OFFSET + 1, 2**31, 2**63, 2**64 - 1)],
        # Not every database knows these, and an error in a query looks like a database that is gone.
        *[(at, "X", 0) for at in (float("inf"), float("-inf"), float("nan"))],
        (1e10, "a\0b", 0),
    ],
)
async def test_a_made_up_cursor_reaches_no_database(site: Site, at: float, job_id: str, skip: int) -> None:
    path = f"/api/v1/jobs?cursor={cursor(PageRequest(), Place(at, job_id), skip)}"
    answer = await site.exchange(raw("GET", path, {}))
    assert status_of(answer) == 422
    assert b'"detail":"cursor: expected' in answer
    assert site.operations.pages == []


@pytest.mark.parametrize(
    "authority",
    ["[::1].evil.example", "[::1]@evil.example", "evil.example#.local", "a@b.local", "evil.example/.local"],
)
def test_what_is_no_host_is_not_ours(authority: str) -> None:
    assert not is_our_own(authority)
