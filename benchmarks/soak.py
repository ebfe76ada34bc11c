"""Many calls of the stand-in, and what they leave behind: python -m benchmarks.soak [IN_A_ROW [ROUNDS]]

A thousand calls one after the other, then twenty times sixteen at once, through a cluster of its own with an
agent. Each call copies its input to its output, and both are compared. Descriptors, threads and resident
memory of agent, coordinator and worker are shown before and after. The exit status is 1 where a call failed,
or where descriptors or threads were left.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.kit import GUARD, Cluster

AT_ONCE = 16
WARM_UP = 50
"""Calls before the first look: what is loaded and opened once is nothing that is left behind."""
SETTLE_SECONDS = 60.0
"""In which what the last calls had open is closed: connections that wait for a next one, and their tasks."""
SPARE = 4
"""Descriptors and threads that may come and go."""
FRAME = 64 * 64 * 3
INPUT = bytes(range(256)) * (5 * FRAME // 256)
COMMAND = ["-v", "error", "-f", "rawvideo", "-s", "64x64", "-pix_fmt", "rgb24", "-r", "25", "-i", "pipe:0"]
COMMAND += ["-c", "copy", "-f", "rawvideo", "pipe:1"]


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process holds; `resident` in KiB."""

    descriptors: int
    threads: int
    resident: int

    @classmethod
    def of(cls, pid: int) -> Footprint:
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
        return cls(
            len(os.listdir(f"/proc/{pid}/fd")), int(status["Threads"]), int(status["VmRSS"].split()[0])
        )


def main() -> None:
    in_a_row = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    with (
        tempfile.TemporaryDirectory(prefix="dffmpeg-") as name,
        Cluster(Path(name), "--slots", str(AT_ONCE)) as cluster,
    ):
        cluster.start_agent()
        failures = _call_all(cluster, 1, WARM_UP, "warming up")
        before = _footprints(cluster)
        failures += _call_all(cluster, 1, in_a_row, "one after the other")
        failures += _call_all(cluster, AT_ONCE, rounds * AT_ONCE, f"{AT_ONCE} at once")
        left = _settled(cluster, before)
        after = _footprints(cluster)
    print(f"{'':12} {'descriptors':>14} {'threads':>11} {'resident, MiB':>16}")
    for process, was in before.items():
        now = after[process]
        print(
            f"{process:12} {was.descriptors:6} -> {now.descriptors:4} {was.threads:4} -> {now.threads:3} "
            f"{was.resident / 1024:7.0f} -> {now.resident / 1024:5.0f}"
        )
    for process in left:
        print(f"{process} has kept descriptors or threads")
    sys.exit(1 if failures or left else 0)


def _call_all(cluster: Cluster, at_once: int, count: int, what: str) -> int:
    """Make so many calls; returns how many failed."""
    environment = cluster.environment
    begin = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        problems = [
            problem
            for problem in pool.map(lambda _: _problem(cluster, environment), range(count))
            if problem is not None
        ]
    seconds = time.perf_counter() - begin
    print(f"{count} calls {what}: {len(problems)} failed, {1e3 * seconds / count:.0f} ms each", flush=True)
    for problem in problems[:5]:
        print(f"  {problem}")
    return len(problems)


def _problem(cluster: Cluster, environment: dict[str, str]) -> str | None:
    """Make a call; returns what is wrong with how it ended."""
    try:
        done = subprocess.run(
            [cluster.data / "bin" / "ffmpeg", *COMMAND],
            input=INPUT,
            capture_output=True,
            check=False,
            cwd=cluster.folder,
            env=environment,
            timeout=GUARD,
        )
    except subprocess.TimeoutExpired:
        return f"no end within {GUARD:g} s"
    if done.returncode != 0:
        return f"exit status {done.returncode}: {done.stderr[-200:]!r}"
    if done.stdout != INPUT:
        return f"{len(done.stdout)} bytes of {len(INPUT)}, or others"
    return None


def _footprints(cluster: Cluster) -> dict[str, Footprint]:
    names = ["agent", *cluster.state["processes"]]
    return {name: Footprint.of(cluster.pid(name)) for name in names}


def _settled(cluster: Cluster, before: dict[str, Footprint]) -> list[str]:
    """Wait until no process holds more than before, or for long enough; returns those that do."""
    give_up = time.monotonic() + SETTLE_SECONDS
    while True:
        left = [
            name
            for name, now in _footprints(cluster).items()
            if now.descriptors > before[name].descriptors + SPARE
            or now.threads > before[name].threads + SPARE
        ]
        if not left or time.monotonic() > give_up:
            return left
        time.sleep(1.0)


if __name__ == "__main__":
    main()
