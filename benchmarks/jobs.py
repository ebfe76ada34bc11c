"""Jobs per second through a whole cluster on this machine: `python -m benchmarks.jobs [JOBS]`.

The program is `true`, so what is measured is everything around it. First a
queue: callers submit detached jobs as fast as they can, and the last one's end
counts. Then callers that each submit a job, follow it to its end over a
connection of its own, and submit the next, as stand-ins do.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import trio

from tests.cluster.kit import Cluster

CALLERS = (1, 16, 64)
WORKERS = 2
SLOTS = 8
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process (proc(5), stat, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def measure(cluster: Cluster, callers: int, jobs: int) -> list[float]:
    """Run jobs; returns each one's seconds from submission to its end at the caller."""
    seconds: list[float] = []

    async def caller(count: int) -> None:
        async with cluster.client() as client:
            for _ in range(count):
                begun = time.perf_counter()
                job = await client.submit("ffmpeg", ["-"])
                async with client.follow(job.job_id) as events:
                    async for _event in events:
                        pass
                seconds.append(time.perf_counter() - begun)

    async with trio.open_nursery() as nursery:
        for number in range(callers):
            nursery.start_soon(caller, jobs // callers + (number < jobs % callers))
    return seconds


async def queue(cluster: Cluster, callers: int, jobs: int) -> float:
    """Submit jobs at once; returns the seconds from the first submission to the last end."""
    submitted: list[str] = []

    async def caller(count: int) -> None:
        async with cluster.client() as client:
            for _ in range(count):
                submitted.append((await client.submit("ffmpeg", ["-"])).job_id)

    begun = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for number in range(callers):
            nursery.start_soon(caller, jobs // callers + (number < jobs % callers))
    async with cluster.client() as client:
        # The newest first: when it has ended most others have, and looking costs little.
        for job_id in reversed(submitted):
            async with client.follow(job_id) as events:
                async for _event in events:
                    pass
            if not any(not job.finished for job in await client.jobs(window=0.001, limit=1000)):
                break
    return time.perf_counter() - begun


async def main(jobs: int) -> None:
    """Measure and print a row for each number of callers."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--workers", str(WORKERS), "--slots", str(SLOTS), "--binary", "ffmpeg=/bin/true"]
        with Cluster(Path(folder), *arguments) as cluster:
            names = ["coordinator", *(f"worker{number}" for number in range(1, WORKERS + 1))]
            pids = {name: cluster.pid(name) for name in names} | {"callers": os.getpid()}
            await measure(cluster, 4, 40)
            took = await queue(cluster, 16, jobs)
            print(f"{jobs} detached jobs submitted by 16 callers at once: {jobs / took:.1f} jobs/s\n")
            print(f"{'callers':>7} {'jobs/s':>7} {'p50 ms':>7} {'p95 ms':>7}   CPU ms a job")
            for callers in CALLERS:
                before = {name: cpu_seconds(pid) for name, pid in pids.items()}
                begun = time.perf_counter()
                seconds = await measure(cluster, callers, jobs)
                took = time.perf_counter() - begun
                spent = {name: (cpu_seconds(pid) - before[name]) * 1000 / jobs for name, pid in pids.items()}
                half, most = (statistics.quantiles(seconds, n=20)[index] * 1000 for index in (9, 18))
                costs = ", ".join(f"{name} {value:.1f}" for name, value in spent.items())
                print(f"{callers:7} {jobs / took:7.1f} {half:7.1f} {most:7.1f}   {costs}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Jobs per second through a whole cluster on this machine.")
    parser.add_argument("jobs", type=int, nargs="?", default=300, help="for each row (default: 300)")
    trio.run(main, parser.parse_args().jobs)
