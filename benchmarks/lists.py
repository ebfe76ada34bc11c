"""Pages of lists with many jobs in the database: `python -m benchmarks.lists [jobs]`.

Times are those of the store alone, without HTTP; the first page is read from an engine that has just opened.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import trio

from dffmpeg.actors.coordinator import lookups
from dffmpeg.model.jobs import Job, JobState
from dffmpeg.model.pages import JobFilter, Key, PageRequest
from dffmpeg.model.workers import Worker, WorkerState
from dffmpeg.store import Store, StoreSettings, open_store, schema
from dffmpeg.store.jobs.rows import to_row
from dffmpeg.store.jobs.sqlalchemy import SqlAlchemyJobRepository
from dffmpeg.wire.records import job_record

CHUNK = 20_000
ROUNDS = 20
STATES = (*(JobState.COMPLETED,) * 95, *(JobState.FAILED,) * 3, JobState.CANCELED, JobState.PENDING)

REQUESTS = {
    "newest first": PageRequest(),
    "oldest first": PageRequest(descending=False),
    "latest changes": PageRequest(key=Key.LAST_UPDATE),
    "1000 of them": PageRequest(limit=1000),
    "offset 5000": PageRequest(offset=5000),
    "failed": PageRequest(filter=JobFilter(states=frozenset({JobState.FAILED}))),
    "of a requester": PageRequest(filter=JobFilter(requester_id="user7")),
    "failed of a requester": PageRequest(
        filter=JobFilter(requester_id="user7", states=frozenset({JobState.FAILED}))
    ),
    "of a worker": PageRequest(filter=JobFilter(worker_id="w3")),
    "with a label": PageRequest(filter=JobFilter(labels=("nightly",))),
    "text that is nowhere": PageRequest(filter=JobFilter(text=b"libnothing")),
    "a label that is nowhere": PageRequest(filter=JobFilter(labels=("none",))),
}


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
        worker_id=f"w{index % 500}",
        labels=("nightly",) if index % 10 == 0 else (),
    )


def _insert(rows: list[dict[str, Any]], connection: sa.Connection) -> None:
    connection.execute(sa.insert(schema.jobs), rows)


async def fill(store: Store, number: int) -> None:
    assert isinstance(store.jobs, SqlAlchemyJobRepository)
    for start in range(0, number, CHUNK):
        rows = [to_row(job(index)) for index in range(start, min(start + CHUNK, number))]
        await store.jobs.database.write(partial(_insert, rows))
    for index in range(500):
        worker = Worker(
            worker_id=f"w{index}", state=WorkerState.ONLINE, slots=4, last_seen=1e9, registered_at=1e9
        )
        await store.workers.register(worker)


async def measure(folder: Path, number: int) -> None:
    settings = StoreSettings(engine_defaults={"sqlite": {"path": str(folder / "lists.db")}})
    async with open_store(settings) as store:
        await fill(store, number)
    async with open_store(settings) as store:
        print(
            f"{number} jobs, 500 workers\n{'list':<28} {'rows':>5} {'first ms':>9} {'p50 ms':>8} {'max':>8}"
        )
        for name, request in REQUESTS.items():
            times: list[float] = []
            shown = 0
            for _ in range(ROUNDS):
                began = time.perf_counter()
                shown = len([job_record(one) for one in (await store.jobs.page(request)).jobs])
                times.append(time.perf_counter() - began)
            _print(name, shown, times)
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            await lookups.workers(store, None)
            times.append(time.perf_counter() - began)
        _print("workers", 500, times)
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            await store.jobs.counts()
            times.append(time.perf_counter() - began)
        _print("counts by state", 7, times)


def _print(name: str, shown: int, times: Sequence[float]) -> None:
    ordered = sorted(times)
    first, middle, longest = (1000 * one for one in (times[0], ordered[len(ordered) // 2], ordered[-1]))
    print(f"{name:<28} {shown:>5} {first:>9.1f} {middle:>8.1f} {longest:>8.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="?", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trio.run(measure, Path(folder), options.jobs)


if __name__ == "__main__":
    main()
