"""What starting a program costs on a worker: `python -m benchmarks.starts [STARTS]`.

The program is `true`. Measured is the time from the order to start it until its
end was seen, first by nothing but posix_spawn(3), then by the worker's own means. What the sandbox costs
is the median of differences between neighbours, one without it and one with it, so that what else the
machine does counts for both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import trio

from dffmpeg.actors.worker.attempts.commands import Machine, prepare
from dffmpeg.actors.worker.processes.actor import Processes
from dffmpeg.actors.worker.processes.launches import Command, Descriptor
from dffmpeg.model.confinement import Policy, confinement
from dffmpeg.wire.workers import JobRequest

TRUE = b"/bin/true"
DESCRIPTORS = (
    Descriptor(0, "pipe", "in"),
    Descriptor(1, "pipe", "out"),
    Descriptor(2, "same", of=1),
    Descriptor(3, "pipe", "out"),
)


async def spawned() -> None:
    # Blocking, because the loop's own work is what the other rows are to be compared without.
    os.waitpid(os.posix_spawn(TRUE, [TRUE], os.environ), 0)  # noqa: ASYNC221, ASYNC222


def started(processes: Processes, command: Command) -> Callable[[], Awaitable[None]]:
    async def start() -> None:
        async with processes.running(command) as process:
            await process.exited.wait()

    return start


async def median(start: Callable[[], Awaitable[None]], starts: int) -> float:
    """Milliseconds."""
    seconds = []
    for _ in range(starts):
        begun = time.perf_counter()
        await start()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds) * 1000


async def added(
    without: Callable[[], Awaitable[None]], confined: Callable[[], Awaitable[None]], starts: int
) -> float:
    """Milliseconds that the second takes longer."""
    differences = []
    for number in range(starts):
        seconds = {}
        # Either goes first as often as the other.
        for start in (without, confined) if number % 2 else (confined, without):
            begun = time.perf_counter()
            await start()
            seconds[start] = time.perf_counter() - begun
        differences.append(seconds[confined] - seconds[without])
    return statistics.median(differences) * 1000


def in_view(folder: Path, processes: Processes) -> Command:
    """`true` in a view that has `folder` under another name."""
    request = JobRequest(
        job_id="J",
        attempt=1,
        binary_name="true",
        arguments=[],
        paths=["Media"],
        working_directory="$Media",
        client_paths={"Media": f"{folder}-at-the-client"},
        heartbeat_interval=60.0,
    )
    machine = Machine({"true": TRUE}, {"Media": bytes(folder)}, kept=processes.tools.folders)
    return prepare(request, machine)


async def main(starts: int) -> None:
    """Measure and print a row for each way."""
    processes = Processes(views=True)
    with tempfile.TemporaryDirectory() as name:
        async with processes.open():
            view = plain = Command(TRUE, (), directory=b"/")
            ways = {
                "posix_spawn alone": spawned,
                "by the worker: tied to its death": started(processes, plain),
                "and further descriptors, umask, ignored signals": started(
                    processes,
                    replace(plain, descriptors=DESCRIPTORS, umask=0o027, ignored_signals=(1, 13)),
                ),
            }
            if processes.namespaces.available:
                view = in_view(Path(name), processes)
                ways["in a view"] = started(processes, view)
                ways["in a view, and descriptors, umask, ignored signals"] = started(
                    processes, replace(view, descriptors=DESCRIPTORS, umask=0o027, ignored_signals=(1, 13))
                )
            confined = confinement(TRUE, {"Media": os.fsencode(name)}, Policy(), forks=False)
            commands = {"without a view": plain} | ({"in a view": view} if view is not plain else {})
            print("| start and end of `true` | ms |\n|---|---|")
            for way, start in ways.items():
                await median(start, 10)
                print(f"| {way} | {await median(start, starts):.1f} |", flush=True)
            for way, command in commands.items():
                both = started(processes, command), started(processes, replace(command, confinement=confined))
                print(f"| the sandbox adds, {way} | {await added(*both, starts):.1f} |", flush=True)
            print(f"\nload: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("starts", type=int, nargs="?", default=200)
    trio.run(main, parser.parse_args().starts)
