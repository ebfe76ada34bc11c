"""Pages of lists with many jobs in the database: `python -m benchmarks.lists [JOBS]`.

Times are first those of the store alone, without HTTP; the first page is read from an engine that has just
opened. Then the same database below a coordinator, and its answers over HTTP, the asking included: server and
client are one process. Beside the clock's times stands the processor time of that process, which says more on
a machine that others use, and the first line is a route that does nothing. At the end stands which of them
took longer than they may.

Filling the database takes minutes; `--keep DIR` has it stay in a folder for the next time (SQLite only). The
servers are those of the tests (`DFFMPEG_TEST_POSTGRESQL_URL`, `DFFMPEG_TEST_MYSQL_URL`), in a new database.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import sqlalchemy as sa
import trio

from dffmpeg.actors.coordinator import lookups
from dffmpeg.latency import favor_latency
from dffmpeg.model.abilities import Abilities
from dffmpeg.model.jobs import Job, JobState
from dffmpeg.model.pages import JobFilter, Key, PageRequest
from dffmpeg.model.samples import MINUTE, MINUTES_KEPT, QUARTER, QUARTERS_KEPT, Figures, Sample, begin
from dffmpeg.model.workers import Hold, Worker, WorkerState
from dffmpeg.store import Store, StoreSettings, open_store, schema
from dffmpeg.store.jobs.rows import to_row
from dffmpeg.store.jobs.sqlalchemy import SqlAlchemyJobRepository
from dffmpeg.wire.records import job_record
from tests import databases
from tests.actors.coordinator.tree import in_folder
from tests.web.conftest import sign
from tests.web.live import live

CHUNK = 20_000
WORKERS = 500
ROUNDS = 20
MAY_TAKE = 100.0
"""Milliseconds: the overview and each page of a list are to be there by then."""

HEAD = f"{'':<28} {'':>5} {'first ms':>9} {'p50 ms':>8} {'p99':>8} {'worst':>8} {'processor ms':>13}"
STATES = (*(JobState.COMPLETED,) * 95, *(JobState.FAILED,) * 3, JobState.CANCELED, JobState.PENDING)

REQUESTS = {
    "newest first": PageRequest(),
    "oldest first": PageRequest(descending=False),
    "latest changes": PageRequest(key=Key.LAST_UPDATE),
    "500 of them": PageRequest(limit=500),
    "offset 2000": PageRequest(offset=2000),
    "failed": PageRequest(filter=JobFilter(states=frozenset({JobState.FAILED}))),
    "of a requester": PageRequest(filter=JobFilter(requester_id="user46")),
    "failed of a requester": PageRequest(
        filter=JobFilter(requester_id="user46", states=frozenset({JobState.FAILED}))
    ),
    "of a worker": PageRequest(filter=JobFilter(worker_id="w3")),
    "with a label": PageRequest(filter=JobFilter(labels=("nightly",))),
    "text that is nowhere": PageRequest(filter=JobFilter(text=b"libnothing")),
    "words that are nowhere": PageRequest(filter=JobFilter(words=(b"LIBX264", b"nothing"))),
    "words of one old job": PageRequest(filter=JobFilter(words=(b"libx264", b"/77.mkv"))),
    "a label that is nowhere": PageRequest(filter=JobFilter(labels=("none",))),
}


LISTED = {
    "encoders": 220,
    "decoders": 520,
    "filters": 480,
    "muxers": 180,
    "demuxers": 350,
    "protocols": 45,
    "encodable": 120,
    "decodable": 470,
}
"""How many of each an ffmpeg with everything lists."""


def job(index: int) -> Job:
    created = 1.7e9 + index
    return Job(
        job_id=f"01K{index:023}",
        requester_id=f"user{index % 50}",
        binary_name="ffmpeg",
        arguments=(b"-i", b"$Movies/%d.mkv" % index, b"-c:v", b"libx264", b"$Movies/%d.mp4" % index),
        paths=("Movies",),
        created_at=created,
        last_update=created + 60,
        ended_at=created + 60,
        state=STATES[index % len(STATES)],
        worker_id=f"w{index % WORKERS}",
        labels=("nightly",) if index % 10 == 0 else (),
    )


def worker(index: int) -> Worker:
    """One that could run what waits, and is paused: so nothing happens while pages are read."""
    lists: dict[str, Any] = {
        kind: tuple(f"{kind[:-1]}_{number:04}" for number in range(count)) for kind, count in LISTED.items()
    }
    return Worker(
        worker_id=f"w{index}",
        state=WorkerState.ONLINE,
        hold=Hold.PAUSED,
        slots=4,
        binaries=("ffmpeg", "ffprobe"),
        paths=("Movies",),
        labels=("nvidia", f"rack{index % 20}"),
        abilities=dict.fromkeys(("ffmpeg", "ffprobe"), Abilities(version="ffmpeg version 7.1", **lists)),
        last_seen=1e9,
        registered_at=1e9,
    )


def _insert(rows: list[dict[str, Any]], connection: sa.Connection) -> None:
    connection.execute(sa.insert(schema.jobs), rows)


async def fill(store: Store, number: int) -> None:
    """Add what is not there yet, of so many jobs and of the workers."""
    assert isinstance(store.jobs, SqlAlchemyJobRepository)
    found = sum((await store.jobs.counts()).values())
    for start in range(found, number, CHUNK):
        rows = [to_row(job(index)) for index in range(start, min(start + CHUNK, number))]
        await store.jobs.database.write(partial(_insert, rows))
    for index in range(len(await store.workers.homes()), WORKERS):
        await store.workers.register(worker(index))


async def record(store: Store) -> None:
    """What a coordinator that has been up for long has recorded, up to now, in place of what was there."""
    figures = Figures(
        submitted=1200, started=1200, completed=1190, failed=10, waits=1200, waited=600.0, looks=12
    )
    for step, kept in ((MINUTE, MINUTES_KEPT), (QUARTER, QUARTERS_KEPT)):
        last = begin(time.time(), step)
        await store.samples.forget(step, last + step, kept)
        times = range(last - kept, last, step)
        await store.samples.put([Sample(step, at, "a coordinator", figures) for at in times])


async def measure(settings: StoreSettings, number: int) -> None:
    """The store alone."""
    async with open_store(settings) as store:
        await fill(store, number)
    print(f"{number} jobs, {WORKERS} workers; rows of each answer\n{HEAD}", flush=True)
    async with open_store(settings) as store:

        async def page(request: PageRequest) -> int:
            return len([job_record(one) for one in (await store.jobs.page(request)).jobs])

        async def workers() -> int:
            return len(await lookups.workers(store, None))

        async def counts() -> int:
            return len(await store.jobs.counts())

        for name, request in REQUESTS.items():
            await _time(name, partial(page, request))
        await _time("workers", workers)
        await _time("counts by state", counts)


ROUTES = {
    "GET health": ("/api/v1/health", ""),
    "GET overview": ("/api/v1/overview", ""),
    "GET alerts": ("/api/v1/alerts", ""),
    "GET history, an hour": ("/api/v1/history", "?span=hour"),
    "GET history, a day": ("/api/v1/history", "?span=day"),
    "GET jobs": ("/api/v1/jobs", "?limit=50"),
    "GET jobs, by change": ("/api/v1/jobs", "?limit=50&sort=-last_update"),
    "GET jobs, failed": ("/api/v1/jobs", "?limit=50&status=failed"),
    "GET jobs, of a requester": ("/api/v1/jobs", "?limit=50&requester=user46"),
    "GET jobs, of a worker": ("/api/v1/jobs", "?limit=50&worker=w3"),
    "GET jobs, with a label": ("/api/v1/jobs", "?limit=50&label=nightly"),
    "GET jobs, no such label": ("/api/v1/jobs", "?limit=50&label=none"),
    "GET jobs, all filters": (
        "/api/v1/jobs",
        "?limit=50&status=failed&requester=user46&worker=w96&label=nightly&search=libx264",
    ),
    "GET jobs, by text": ("/api/v1/jobs", "?limit=50&text=libx264"),
    "GET jobs, no such text": ("/api/v1/jobs", "?limit=50&text=libnothing"),
    "GET jobs, no such words": ("/api/v1/jobs", "?limit=50&search=libx264+nothing"),
    "GET jobs, 500 of them": ("/api/v1/jobs", "?limit=500"),
    "GET workers": ("/api/v1/workers", "?limit=50"),
    "GET workers, of a label": ("/api/v1/workers", "?limit=50&label=rack7"),
    "GET workers, all": ("/api/v1/workers", "?limit=500"),
    "GET /jobs, 1000 of them": ("/jobs", ""),
    "GET /stats": ("/stats", ""),
}


async def ask(settings: StoreSettings, rounds: int) -> None:
    """A coordinator's answers over HTTP."""
    keep: dict[str, Any] = {"retention": {"jobs": "forever"}, "leases": {"worker": 3600.0}}
    print(f"\nover HTTP; KiB of each answer\n{HEAD}", flush=True)
    async with open_store(settings) as store:
        await record(store)
    async with (
        live(settings, keep) as running,
        httpx.AsyncClient(base_url=running.url, timeout=60) as client,
    ):

        async def get(path: str, query: str) -> int:
            answer = await client.get(path + query, headers=sign("admin", "GET", path + query))
            return len(answer.raise_for_status().content) // 1024

        took = {name: await _time(name, partial(get, *route), rounds) for name, route in ROUTES.items()}
    print(f"\n{verdict(took)}")


@dataclass(frozen=True, slots=True)
class Took:
    """How long something took, milliseconds.

    Attributes:
        times: each time by the clock, in order of length.
        processor: of this process, in the median.
    """

    times: Sequence[float]
    processor: float

    def within(self, share: float) -> float:
        """What such a share of the times is at most."""
        return self.times[ceil(share * len(self.times)) - 1]


def verdict(took: Mapping[str, Took]) -> str:
    """Which of them took longer than they may, by the clock and of the processor."""
    kinds: dict[str, Callable[[Took], float]] = {
        "by the clock, p50": lambda one: one.within(0.5),
        "by the clock, p99": lambda one: one.within(0.99),
        "of the processor": lambda one: one.processor,
    }
    lines = [f"longer than {MAY_TAKE:.0f} ms"]
    for kind, of in kinds.items():
        found = [f"{name} {of(one):.0f}" for name, one in took.items() if of(one) > MAY_TAKE]
        lines.append(f"  {kind}: {', '.join(found) or 'none'}")
    return "\n".join(lines)


async def _time(name: str, once: Callable[[], Awaitable[int]], rounds: int = ROUNDS) -> Took:
    """Do it some times, and print how long that took; it returns how much there was in its answer."""
    times: list[float] = []
    processor: list[float] = []
    shown = 0
    for _ in range(rounds):
        began, used = time.perf_counter(), time.process_time()
        shown = await once()
        times.append(1000 * (time.perf_counter() - began))
        processor.append(1000 * (time.process_time() - used))
    took = Took(sorted(times), median(processor))
    print(
        f"{name:<28} {shown:>5} {times[0]:>9.1f} {took.within(0.5):>8.1f} {took.within(0.99):>8.1f} "
        f"{took.times[-1]:>8.1f} {took.processor:>13.1f}",
        flush=True,
    )
    return took


@contextmanager
def database(engine: str, keep: Path | None) -> Iterator[StoreSettings]:
    """Where it is, around a block."""
    if engine != "sqlite":
        with databases.created(engine) as options:
            yield databases.settings(engine, options)
    elif keep is not None:
        yield in_folder(keep)
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield in_folder(Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description="Pages of lists with many jobs in the database.")
    parser.add_argument("jobs", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--engine", choices=databases.ENGINES, default="sqlite")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="a folder in which the database stays")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="requests of each kind")
    parser.add_argument("--only", choices=("store", "http"))
    options = parser.parse_args()
    if options.keep is not None and options.engine != "sqlite":
        parser.error("--keep is for SQLite only")
    with database(options.engine, options.keep) as settings:
        if options.only != "http":
            trio.run(measure, settings, options.jobs)
        if options.only != "store":
            # As the coordinator's program does at its start.
            favor_latency()
            trio.run(ask, settings, options.rounds)


if __name__ == "__main__":
    main()
