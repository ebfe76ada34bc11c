"""Lists of workers, users and the audit trail on a real coordinator: each order, by cursor and by offset."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from dffmpeg.model.audit import AuditEntry, Via
from dffmpeg.model.workers import WorkerState
from tests.conformance.rows import worker
from tests.web.conftest import sign
from tests.web.live import Live, live

TRAIL = [f"01K9ZQ0F7M4N2X8T6V5B3C1{number:03}" for number in range(5)]
LONGEST = "w" * 128

WHOLE = {
    "workers": ("worker_id", ["a", "b", "c", LONGEST]),
    "workers?sort=worker_id": ("worker_id", ["a", "b", "c", LONGEST]),
    "workers?sort=-worker_id": ("worker_id", [LONGEST, "c", "b", "a"]),
    "workers?sort=last_seen": ("worker_id", ["c", "a", LONGEST, "b"]),
    "workers?sort=-last_seen": ("worker_id", ["b", LONGEST, "a", "c"]),
    "users": ("id", ["admin", "client", "other", "viewer", "worker"]),
    "users?sort=id": ("id", ["admin", "client", "other", "viewer", "worker"]),
    "users?sort=-id": ("id", ["worker", "viewer", "other", "client", "admin"]),
    "audit": ("id", TRAIL[::-1]),
    "audit?sort=-at": ("id", TRAIL[::-1]),
    "audit?sort=at": ("id", TRAIL),
}


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as running:
        store = running.coordinator.services.store
        for name, seen in (("a", 1e9 + 1e-6), ("b", 2e9), ("c", 0.1), (LONGEST, 1e9 + 1e-6)):
            await store.workers.register(worker(name, WorkerState.OFFLINE, last_seen=seen))
        for number, one in enumerate(TRAIL):
            await store.audit.add(
                AuditEntry(
                    entry_id=one, at=1e9 + number, actor="admin", via=Via.SESSION, action="queue.pause"
                )
            )
        yield running


async def get(site: Live, path: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(site.url + path, headers=sign("admin", "GET", path))


@pytest.mark.parametrize("asked", WHOLE)
async def test_pages_in_every_order_join_on(real: Live, asked: str) -> None:
    field, whole = WHOLE[asked]
    route, _, query = asked.partition("?")
    found: list[str] = []
    address: str | None = f"/api/v1/{route}?limit=2&{query}"
    while address is not None:
        answer = await get(real, address)
        assert answer.status_code == 200, answer.text
        found += [one[field] for one in answer.json()["items"]]
        link = answer.headers.get("link")
        assert (link is None) == (answer.json()["next"] is None)
        address = None if link is None else f"/api/v1/{route}{link[1:].partition('>')[0]}"
    assert found == whole
    for offset in range(len(whole) + 2):
        page = (await get(real, f"/api/v1/{route}?limit=2&offset={offset}&{query}")).json()
        assert [one[field] for one in page["items"]] == whole[offset : offset + 2]
        assert (page["next"] is None) == (offset + 2 >= len(whole))


@pytest.mark.parametrize("route", ["workers", "users", "audit"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("offset=-1", "offset"),
        ("offset=2001", "offset"),
        ("offset=1.5", "offset"),
        ("offset=1&cursor=a", "offset"),
        ("sort=size", "sort"),
        ("sort=--id", "sort"),
        ("cursor=-at~x~y", "cursor"),
        (f"cursor={'x' * 257}", "cursor"),
    ],
)
async def test_what_makes_no_sense_is_named(real: Live, route: str, query: str, field: str) -> None:
    answer = await get(real, f"/api/v1/{route}?{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"{field}: ")


@pytest.mark.parametrize(("route", "sort"), [("workers", "-last_seen"), ("users", "-id"), ("audit", "at")])
async def test_a_cursor_is_good_for_its_own_order_only(real: Live, route: str, sort: str) -> None:
    first = (await get(real, f"/api/v1/{route}?limit=1")).json()["next"]
    other = (await get(real, f"/api/v1/{route}?limit=1&sort={sort}")).json()["next"]
    for query in (f"sort={sort}&cursor={first}", f"cursor={quote(other)}"):
        answer = await get(real, f"/api/v1/{route}?{query}")
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith("cursor: it is of a list in another order")


@pytest.mark.parametrize("place", ["nan~a", "inf~a", "x~a", "1.5", "~a", ""])
async def test_a_made_up_place_is_refused(real: Live, place: str) -> None:
    answer = await get(real, f"/api/v1/workers?sort=last_seen&cursor=last_seen~{place}")
    assert (answer.status_code, answer.json()["detail"][:8]) == (422, "cursor: ")
