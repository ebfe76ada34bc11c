"""What a second coordinator costs: `python -m benchmarks.coordinators [ENGINE] [JOBS]`.

Jobs are submitted one after the other at the coordinator that leads. Their worker is looked after first by
that one, then by the other, which hears of each assignment by the feed. What is told is the time from the
assignment, as it was decided, to the worker's acceptance; both are by this machine's clock.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from datetime import datetime
from pathlib import Path

import trio

from dffmpeg.model.identities import Role
from tests.cluster.kit import program
from tests.cluster.several import Several, open_several

ENGINES = ("postgresql", "mysql")


async def measure(several: Several, jobs: int) -> list[float]:
    """Seconds from each job's assignment to its start."""
    seconds: list[float] = []
    async with several.client("a") as client, several.admin("a") as admin:
        for _ in range(jobs):
            job_id = (await client.submit("ffmpeg", [])).job_id
            while (await client.status(job_id)).status != "completed":
                await trio.lowlevel.checkpoint()
            [attempt] = await admin.attempts(job_id)
            assert attempt.started_at is not None
            begun = datetime.fromisoformat(attempt.assigned_at)
            seconds.append((datetime.fromisoformat(attempt.started_at) - begun).total_seconds())
    return seconds


async def run(engine: str, jobs: int) -> None:
    with tempfile.TemporaryDirectory(prefix="dffmpeg-benchmark-") as name:
        folder = Path(name)
        ffmpeg = program(folder / "program", "true")
        identities = {"near": Role.WORKER, "far": Role.WORKER}
        async with open_several(folder, engine, "a", "b", identities=identities) as several:
            for worker, at, where in (("near", "a", "at the leader"), ("far", "b", "elsewhere")):
                process = several.worker(worker, ffmpeg, at=at, slots=1)
                await process.start()
                found = sorted(1000 * one for one in await measure(several, jobs))
                await process.stop()
                print(
                    f"{engine}, worker {where}: {statistics.median(found):.1f} ms,"
                    f" 95th percentile {found[int(0.95 * len(found))]:.1f} ms, most {found[-1]:.1f} ms"
                )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", nargs="?", choices=ENGINES, default="postgresql")
    parser.add_argument("jobs", nargs="?", type=int, default=100)
    options = parser.parse_args()
    trio.run(run, options.engine, options.jobs)


if __name__ == "__main__":
    main()
