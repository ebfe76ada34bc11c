"""Durable operations of the store per second: `python -m benchmarks.store [folder]`.

Each operation returns after its commit is on the disk (SQLite, synchronous=FULL), so the folder
decides what is measured: a file system in memory would show what the program costs, not the disk.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
import trio

from dffmpeg.model import jobs, transitions
from dffmpeg.model.jobs import Job
from dffmpeg.store import Store, StoreSettings, open_store
from dffmpeg.store.sqlite import SqliteDatabase

TASKS = (1, 16, 64)

Operation = Callable[[int], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Result:
    """What one run came to; times in seconds."""

    name: str
    tasks: int
    latencies: Sequence[float]
    elapsed: float
    processor: float

    def line(self) -> str:
        """Rate, the median and the 99th percentile of the latency, and the processor's time an operation."""
        number = len(self.latencies)
        ordered = sorted(self.latencies)
        p50, p99 = (ordered[int(number * share)] * 1000 for share in (0.50, 0.99))
        return (
            f"{self.name:<34} {self.tasks:>5} {number / self.elapsed:>10,.0f}"
            f" {p50:>9.2f} {p99:>9.2f} {self.processor / number * 1e6:>9.0f}"
        )


HEAD = f"{'operation':<34} {'tasks':>5} {'1/s':>10} {'p50 ms':>9} {'p99 ms':>9} {'CPU µs':>9}"


async def measure(name: str, tasks: int, number: int, operation: Operation) -> Result:
    """Run an operation so many times from so many tasks."""
    left = iter(range(number))
    latencies: list[float] = []

    async def work() -> None:
        for index in left:
            began = time.perf_counter()
            await operation(index)
            latencies.append(time.perf_counter() - began)

    wall, processor = time.perf_counter(), time.process_time()
    async with trio.open_nursery() as nursery:
        for _ in range(tasks):
            nursery.start_soon(work)
    return Result(name, tasks, latencies, time.perf_counter() - wall, time.process_time() - processor)


def job(name: str) -> Job:
    """A job as a media server submits it."""
    now = time.time()
    return Job(
        job_id=name,
        requester_id="media-server",
        binary_name="ffmpeg",
        arguments=(b"-i", b"$Movies/Some Film (2020)/film.mkv", b"-c:v", b"libx264", b"-f", b"mpegts", b"-"),
        paths=("Movies",),
        client_paths={"Movies": b"/mnt/media/movies"},
        supported_transports=("websocket", "http_polling"),
        created_at=now,
        last_update=now,
    )


async def bare_rows(folder: Path, tasks: int, number: int) -> Result:
    """One small row an operation: what the writer itself can do."""
    database = SqliteDatabase(folder / f"bare-{tasks}.db")
    table = sa.Table(
        "bare",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
    )
    statement = sa.insert(table)
    async with database.opened():
        await database.write(table.create)

        async def insert(index: int) -> None:
            await database.write(lambda c: c.execute(statement, {"id": index, "state": "pending"}).rowcount)

        return await measure("writer: insert a small row", tasks, number, insert)


async def life_of_jobs(store: Store, tasks: int, number: int) -> list[Result]:
    """Submit, assign, accept, finish; and a look at one identity's job on the way."""
    names = [f"{tasks:03}-{index:08}" for index in range(number)]

    async def submit(index: int) -> None:
        await store.jobs.add(job(names[index]))

    async def load(index: int) -> None:
        assert await store.jobs.get(names[index]) is not None

    def change(make: Callable[[Job], jobs.Transition]) -> Operation:
        async def apply(index: int) -> None:
            assert await store.jobs.apply(make(rows[index]))

        return apply

    submitted = await measure("jobs: add", tasks, number, submit)
    read = await measure("jobs: get (no commit)", tasks, number, load)
    rows = [job(name) for name in names]
    now = time.time()
    changed = [
        await measure(name, tasks, number, change(make))
        for name, make in (
            ("jobs: assign (compare-and-set)", lambda row: transitions.assign(row, "worker", now)),
            ("jobs: accept (compare-and-set)", lambda row: transitions.accept(row, 1, "worker", now)),
            ("jobs: finish (compare-and-set)", _finish),
        )
    ]
    return [submitted, read, *changed]


def _finish(row: Job) -> jobs.Transition:
    return transitions.finish(row, 1, "worker", time.time(), jobs.JobState.COMPLETED, 0, None, None)


async def main(folder: Path, number: int) -> None:
    """Print a table.

    Args:
        folder: where the databases are made.
        number: operations a run at 64 tasks; fewer tasks do fewer.
    """
    print(HEAD)
    for tasks in TASKS:
        count = max(200, number * tasks // max(TASKS))
        print((await bare_rows(folder, tasks, count)).line())
    settings = StoreSettings(engine_defaults={"sqlite": {"path": str(folder / "store.db")}})
    async with open_store(settings) as store:
        for tasks in TASKS:
            count = max(200, number * tasks // max(TASKS))
            for result in await life_of_jobs(store, tasks, count):
                print(result.line())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", help="on the disk that is to be measured; a temporary one")
    parser.add_argument("--number", type=int, default=20_000, help="operations a run at 64 tasks")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as made:
        trio.run(main, Path(made), options.number)
