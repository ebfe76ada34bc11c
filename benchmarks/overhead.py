"""What the stand-in adds to a call, beside the same call made locally: python -m benchmarks.overhead [CALLS]

Starts a cluster of its own. Figures are medians; compare on one machine, idle otherwise.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from dffmpeg.client.agent.status import Status
from tests.cluster.kit import Cluster, program

GIB = 1 << 30
LINES = 100_000
GUARD = 300.0


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory(prefix="dffmpeg-") as name:
        folder = Path(name)
        runtime = folder / "run"
        runtime.mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        zeros = program(folder / "zeros", f"exec head -c {GIB} /dev/zero")
        lines = program(folder / "lines", f"exec seq {LINES} >&2")
        stamp = program(folder / "stamp", "exec date +%s.%N")
        binaries = [f"--binary={each.name}={each}" for each in (zeros, lines, stamp)]
        with Cluster(folder, *binaries) as cluster, _no_agent_left():
            _measure(cluster, calls)


def _measure(cluster: Cluster, calls: int) -> None:
    stand_ins = cluster.data / "bin"
    ffmpeg = shutil.which("ffmpeg")
    assert ffmpeg is not None
    without = {**os.environ, "DFFMPEG_NO_AGENT": "1"}
    # The first call starts the agent, and the others may not wait for it.
    _seconds([stand_ins / "ffmpeg", "-version"])
    time.sleep(3.0)
    local, warm, cold, begun = [], [], [], []
    for _ in range(calls):
        local.append(_seconds([ffmpeg, "-version"]))
        warm.append(_seconds([stand_ins / "ffmpeg", "-version"]))
        begun.append(_until_started(stand_ins / "stamp"))
    for _ in range(calls):
        cold.append(_seconds([stand_ins / "ffmpeg", "-version"], without))
    base = statistics.median(local)
    print(f"ffmpeg -version locally               {1e3 * base:7.1f} ms")
    print(f"  through the stand-in, agent warm  + {1e3 * (statistics.median(warm) - base):7.1f} ms")
    print(f"  through the stand-in, no agent    + {1e3 * (statistics.median(cold) - base):7.1f} ms")
    print(f"stand-in's start to program's start   {1e3 * statistics.median(begun):7.1f} ms")
    _stream(cluster, stand_ins / "zeros", subprocess.PIPE, None, "1 GiB of stdout")
    _stream(cluster, stand_ins / "lines", None, subprocess.PIPE, f"{LINES} lines of stderr")


def _seconds(command: list[Path | str], env: dict[str, str] | None = None) -> float:
    begin = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=GUARD, env=env)
    return time.perf_counter() - begin


def _until_started(stamp: Path) -> float:
    begin = time.time()
    done = subprocess.run([stamp], stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=GUARD)
    return float(done.stdout) - begin


def _stream(cluster: Cluster, command: Path, stdout: int | None, stderr: int | None, what: str) -> None:
    begin = time.perf_counter()
    process = subprocess.Popen([command], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
    watched = {name: cluster.pid(name) for name in cluster.state["processes"]} | {"stand-in": process.pid}
    watched |= {f"agent {number}": each.pid for number, each in enumerate(_agents())}
    before = {name: _processor_time(pid) for name, pid in watched.items()}
    stream = process.stdout or process.stderr
    assert stream is not None
    used: dict[str, float] = {}
    size = 0
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.2):
            for name, pid in watched.items():
                used[name] = max(used.get(name, 0.0), _processor_time(pid) - before[name])

    sampler = threading.Thread(target=sample)
    sampler.start()
    peaks: dict[str, int] = {}
    while data := stream.read(1 << 20):
        size += len(data)
        if not peaks or size % (64 << 20) < (1 << 20):
            peaks = {name: max(peaks.get(name, 0), _resident(pid)) for name, pid in watched.items()}
    code = process.wait(GUARD)
    seconds = time.perf_counter() - begin
    done.set()
    sampler.join()
    assert code == 0, code
    print(f"{what}: {seconds:.2f} s, {size / 1e6 / seconds:.0f} MB/s")
    for name in watched:
        print(f"    {name:12} {used.get(name, 0.0):5.1f} s of a processor, {peaks[name] / 1024:6.0f} MiB")


def _processor_time(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> int:
    """Peak resident memory, KiB."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM")), 0)


def _agents() -> list[Status]:
    folder = Path(os.environ["XDG_RUNTIME_DIR"], "dffmpeg")
    return [msgspec.json.decode(file.read_bytes(), type=Status) for file in folder.glob("*.status")]


@contextmanager
def _no_agent_left() -> Iterator[None]:
    try:
        yield
    finally:
        for status in _agents():
            os.kill(status.pid, 15)


if __name__ == "__main__":
    main()
