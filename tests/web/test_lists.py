"""Lists of the versioned API over HTTP: what their parameters mean, and how one page leads to the next."""

from __future__ import annotations

import re

import msgspec
import pytest

from dffmpeg.errors import BadInput
from dffmpeg.model.jobs import JobState
from dffmpeg.model.pages import JobFilter, Key, PageRequest, Place
from dffmpeg.wire.lists import JobList, continued, cursor
from tests.web.conftest import Site
from tests.web.test_versions import ask


async def test_parameters(site: Site) -> None:
    query = (
        "state=failed,pending&worker=w1&binary=ffmpeg&label=a,b&name=x*&text=%C3%A9&search=x264+%20Crf&sort=last_update"
        "&created_from=1970-01-01T00:00:10Z&created_before=1970-01-01T00:00:20&limit=7&offset=3"
    )
    assert (await ask(site, "GET", f"/api/v1/jobs?{query}")).json() == {
        "items": [],
        "next": None,
        "searched_until": None,
    }
    assert site.operations.pages == [
        PageRequest(
            filter=JobFilter(
                states=frozenset({JobState.FAILED, JobState.PENDING}),
                worker_id="w1",
                binary_name="ffmpeg",
                labels=("a", "b"),
                name="x*",
                text="é".encode(),
                words=(b"x264", b"Crf"),
                created_from=10.0,
                created_before=20.0,
            ),
            key=Key.LAST_UPDATE,
            descending=False,
            limit=7,
            offset=3,
        )
    ]


async def test_a_page_leads_to_the_next(site: Site) -> None:
    for _ in range(2):
        await site.submit()
    first = await ask(site, "GET", "/api/v1/jobs?limit=1&status=pending&offset=0")
    page = msgspec.json.decode(first.content, type=JobList)
    assert page.next is not None
    link = re.fullmatch(r'<(\?[^>]*)>; rel="next"', first.headers["link"])
    assert link is not None
    assert "status=pending" in link[1]
    assert "offset" not in link[1]
    await ask(site, "GET", f"/api/v1/jobs{link[1]}")
    assert site.operations.pages[-1].after == Place(1.5, "X")
    assert "link" not in (await ask(site, "GET", "/api/v1/workers")).headers


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("offset=-1", "offset"),
        ("offset=2001", "offset"),
        ("offset=1&cursor=x", "offset"),
        ("sort=size", "sort"),
        ("sort=--created_at", "sort"),
        ("status=gone", "status"),
        ("created_from=yesterday", "created_from"),
        ("cursor=x", "cursor"),
        ("cursor=%00", "cursor"),
        (f"cursor={cursor(PageRequest(descending=False), Place(1.0, 'X'), 0)}", "cursor"),
        (f"cursor={cursor(PageRequest(), Place(float('nan'), 'X'), 0)}", "cursor"),
        (f"cursor={cursor(PageRequest(), Place(1.0, 'X'), -1)}", "cursor"),
    ],
)
async def test_what_makes_no_sense_is_named(site: Site, query: str, field: str) -> None:
    answer = await ask(site, "GET", f"/api/v1/jobs?{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"{field}: ")


async def test_a_worker_is_asked_for_by_a_status_that_there_is(site: Site) -> None:
    for status in ("online", "paused,quarantined"):
        assert (await ask(site, "GET", f"/api/v1/workers?status={status}")).status_code == 200
    answer = await ask(site, "GET", "/api/v1/workers?status=online,asleep")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("status: expected some of registering, online,")


def test_cursors() -> None:
    request = PageRequest(filter=JobFilter(name="x"), key=Key.LAST_UPDATE, limit=3)
    there = continued(request, cursor(request, Place(1e9 + 1e-6, "J"), 4))
    assert (there.after, there.offset, there.filter, there.limit) == (
        Place(1e9 + 1e-6, "J"),
        4,
        request.filter,
        3,
    )
    with pytest.raises(BadInput, match="another order"):
        continued(PageRequest(), cursor(request, Place(1.0, "J"), 0))
