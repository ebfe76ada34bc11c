"""What open dashboards cost the coordinator: `python -m benchmarks.dashboards [DASHBOARDS]`.

A real cluster runs a steady stream of jobs, whose program is `true`, through the API. Each dashboard is a
WebSocket that follows what a page of it follows, and reads whatever comes. The coordinator's processor time
is taken with and without them, in turns; the difference is what they cost, and what reading costs is this
program's. Where the machine does not reach 20 jobs/s, the line says what it reached. At last, how long it
takes from a submission's answer until a dashboard that is open alone has heard of the job.
"""

from __future__ import annotations

import argparse
import base64
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import trio

from benchmarks.jobs import cpu_seconds
from dffmpeg.configuration import load
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.wire import signature
from tests.cluster.kit import Cluster

PAGES = {"overview": "overview,job,progress", "jobs": "job,progress"}
EVENTS = "/api/v1/events"
RATE = 20.0
SAMPLES = 20


async def connect(cluster: Cluster, kinds: str) -> trio.SocketStream:
    """A dashboard's connection, its handshake done."""
    config = load(ClientConfig, "client", cluster.data / "admin.toml")
    place = urlsplit(cluster.url)
    stream = await trio.open_tcp_stream(place.hostname or "", place.port or 80)
    target = f"{EVENTS}?batch=1&interval=0.2&kind={kinds}"
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {place.netloc}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
    ]
    key = signature.decode_key(config.hmac_key or "")
    signed = signature.sign(config.client_id, key, "GET", target, b"", now=time.time())
    lines += [f"{name}: {value}" for name, value in signed.items()]
    await stream.send_all(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = await stream.receive_some()
    if b" 101 " not in answer.partition(b"\r\n")[0]:
        raise RuntimeError(answer.decode(errors="replace"))
    return stream


class Open:
    """Dashboards that are open: what they were told."""

    def __init__(self) -> None:
        self.bytes = 0

    async def read(self, stream: trio.SocketStream) -> None:
        async with stream:
            while data := await stream.receive_some(1 << 20):
                self.bytes += len(data)


@asynccontextmanager
async def dashboards(cluster: Cluster, number: int, kinds: str) -> AsyncIterator[Open]:
    """So many of them, inside the block."""
    found = Open()
    async with trio.open_nursery() as nursery:
        for _ in range(number):
            nursery.start_soon(found.read, await connect(cluster, kinds))
        yield found
        nursery.cancel_scope.cancel()


@dataclass(frozen=True, slots=True)
class Spent:
    """What the coordinator spent, processor seconds, on so many jobs in so many seconds."""

    cpu: float = 0.0
    jobs: int = 0
    seconds: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.cpu + other.cpu, self.jobs + other.jobs, self.seconds + other.seconds)

    @property
    def per_cent(self) -> float:
        return 100 * self.cpu / self.seconds

    def beyond(self, usual: Spent) -> float:
        """Per cent of a core that is not what so many jobs cost."""
        return 100 * (self.cpu - usual.cpu * self.jobs / usual.jobs) / self.seconds


async def work(cluster: Cluster, seconds: float) -> Spent:
    """Submit jobs at the rate for so long, and wait until the last of them has ended."""
    pid = cluster.pid("coordinator")
    before, began, count = cpu_seconds(pid), trio.current_time(), 0
    async with cluster.client() as client:
        async with trio.open_nursery() as nursery:
            while (due := began + count / RATE) < began + seconds:
                await trio.sleep_until(due)
                nursery.start_soon(client.submit, "ffmpeg", ["-"])
                count += 1
        # The queue is in order: what costs something still belongs to this turn, and not to the next one.
        last = await client.submit("ffmpeg", ["-"])
        async with client.follow(last.job_id) as events:
            async for _event in events:
                pass
    return Spent(cpu_seconds(pid) - before, count + 1, trio.current_time() - began)


async def heard(cluster: Cluster) -> float:
    """Seconds from a submission's answer until a dashboard is told of the job's id."""
    stream = await connect(cluster, PAGES["jobs"])
    text = b""
    async with stream, cluster.client() as client:
        with trio.move_on_after(0.5):
            while True:
                await stream.receive_some()
        job_id = (await client.submit("ffmpeg", ["-"])).job_id.encode()
        began = time.perf_counter()
        with trio.fail_after(10):
            while job_id not in text:
                text += await stream.receive_some(1 << 20)
        return time.perf_counter() - began


async def main(number: int, seconds: float, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--workers", "2", "--slots", "8", "--binary", "ffmpeg=/bin/true"]
        with Cluster(Path(folder), *arguments) as cluster:
            await work(cluster, 3)
            print(f"per cent of a core that the coordinator takes, {rounds} x {seconds:g} s\n")
            print(f"{'page':<10} {'jobs/s':>6} {'without':>8} {f'with {number}':>9} {'cost':>6} {'KiB/s':>7}")
            for page, kinds in PAGES.items():
                alone, together, received = Spent(), Spent(), 0
                for _ in range(rounds):
                    alone += await work(cluster, seconds)
                    async with dashboards(cluster, number, kinds) as opened:
                        await trio.sleep(2)
                        opened.bytes = 0
                        together += await work(cluster, seconds)
                        received += opened.bytes
                print(
                    f"{page:<10} {together.jobs / together.seconds:>6.1f} {alone.per_cent:>8.1f} "
                    f"{together.per_cent:>9.1f} {together.beyond(alone):>6.1f} "
                    f"{received / together.seconds / 1024:>7.0f}"
                )
            times = sorted([1000 * await heard(cluster) for _ in range(SAMPLES)])
            print(f"\na dashboard alone hears of a job after {times[SAMPLES // 2]:.0f} ms; ", end="")
            print(f"at most {times[-1]:.0f} ms, of {SAMPLES}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What open dashboards cost the coordinator.")
    parser.add_argument("dashboards", type=int, nargs="?", default=200)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    trio.run(main, options.dashboards, options.seconds, options.rounds)
