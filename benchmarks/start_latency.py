"""How long a job waits that need not wait: `python -m benchmarks.start_latency [JOBS]`.

One detached job after the other on a cluster with a free slot, each submitted when nothing else is going on.
The program is a script that prints the time, so that its start is known to a millisecond or so (a shell's own
start is in the last step). Figures are milliseconds; the median counts, on a machine that is idle otherwise.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import trio

from dffmpeg.client.api import Client
from dffmpeg.client.events import Output
from dffmpeg.wire import times
from tests.cluster.kit import Cluster, program

STEPS = ("asked→received", "received→assigned", "assigned→accepted", "accepted→started", "received→started")


@dataclass(frozen=True, slots=True)
class Moments:
    """When what happened to one job, Unix seconds; one machine, so one clock."""

    asked: float
    submitted: float
    assigned: float
    accepted: float
    started: float

    @property
    def steps(self) -> tuple[float, ...]:
        """Milliseconds of each step."""
        spans = (
            (self.asked, self.submitted),
            (self.submitted, self.assigned),
            (self.assigned, self.accepted),
            (self.accepted, self.started),
            (self.submitted, self.started),
        )
        return tuple((end - begin) * 1000 for begin, end in spans)


async def one(client: Client) -> Moments:
    """Submit a job, wait for its end, and look when what happened."""
    asked = time.time()
    job = await client.submit("ffmpeg", ["-"])
    said = b""
    async with client.follow(job.job_id) as events:
        async for event in events:
            if isinstance(event, Output):
                said += event.data
    (attempt,) = await client.attempts(job.job_id)
    assert attempt.started_at is not None
    return Moments(
        asked,
        times.from_wire(job.created_at),
        times.from_wire(attempt.assigned_at),
        times.from_wire(attempt.started_at),
        float(said),
    )


async def main(jobs: int) -> None:
    """Measure and print a row for each step."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stamp = program(folder / "stamp", "exec date +%s.%N")
        with Cluster(folder, "--workers", "1", "--slots", "2", f"--binary=ffmpeg={stamp}") as cluster:
            async with cluster.client() as client:
                for _ in range(5):
                    await one(client)
                found = [await one(client) for _ in range(jobs)]
    load = os.getloadavg()[0]
    print(f"{jobs} jobs, one at a time; {os.cpu_count()} processors, load {load:.1f}\n")
    print(f"{'ms':>20} {'median':>7} {'p90':>7}")
    for step, values in zip(STEPS, zip(*(each.steps for each in found), strict=True), strict=True):
        print(f"{step:>20} {statistics.median(values):7.1f} {_ninetieth(values):7.1f}")


def _ninetieth(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=10)[8]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How long a job waits that need not wait.")
    parser.add_argument("jobs", type=int, nargs="?", default=40, help="how many (default: 40)")
    trio.run(main, parser.parse_args().jobs)
