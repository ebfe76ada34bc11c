"""A cluster for the browser to look at, and people who use it while the browser waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio

from dffmpeg.client.api import Client
from dffmpeg.client.events import Status
from dffmpeg.wire.jobs import JobRecord
from tests.cluster.kit import GUARD, Cluster, program

T = TypeVar("T")

SETTINGS = """[debug]
routes = true
[security]
trusted_proxies = ["127.0.0.1"]
"""

ENDLESS = ["-re", "-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=3600", "-c:v", "mpeg4", "-f", "null", "-"]
"""An encode in real time that goes on until it is canceled."""

SHORT = ["-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=1", "-c:v", "mpeg4", "-f", "null", "-"]


TALK = """printf '\\033[31mred\\033[0m and plain\\n' >&2
for number in $(seq 1 "$1"); do echo "line $number" >&2; done
printf 'frame=1\\rframe=22\\r' >&2
[ -z "$2" ] && exit
read -r answer < "$2"
printf '\\nbehind the gate\\n' >&2
echo "$answer"
"""
"""A program that says so many lines, and repeats one that it gets by a pipe, if there is one."""


def cluster(folder: Path, *arguments: str) -> Cluster:
    """A standalone cluster, not started yet; actors can be crashed, and workers have a program `talk`."""
    data = folder / "data"
    data.mkdir(mode=0o700)
    (data / "coordinator.toml").write_text(SETTINGS)
    talk = program(folder / "talk", TALK)
    return Cluster(folder, "--binary", f"talk={talk}", *arguments)


class Person:
    """Somebody who uses a cluster by its API; returns when it has answered.

    Each call runs trio in a thread: in the test's own the browser's event loop is in the way.

    Args:
        name: `client` or `admin`.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._name = name

    def ask(self, question: Callable[[Client], Awaitable[T]]) -> T:
        """What an asynchronous function makes of this person's client."""

        async def run() -> T:
            with trio.fail_after(GUARD):
                async with self._cluster.client(self._name) as client:
                    return await question(client)

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(trio.run, run).result()

    def submit(self, arguments: list[str], binary: str = "ffmpeg", **rules: Any) -> str:
        """The id of a job of that command line; `rules` are further fields of the request."""

        async def run(client: Client) -> str:
            request = msgspec.structs.replace(client.request(binary, arguments), **rules)
            return (await client._http.call("POST", "/jobs/submit", JobRecord, json=request)).job_id

        return self.ask(run)

    def ended(self, job_id: str) -> JobRecord:
        """The record of a job, once it has ended."""

        async def run(client: Client) -> JobRecord:
            async with client.follow(job_id) as events:
                async for _event in events:
                    pass
            return await client.status(job_id)

        return self.ask(run)

    def progressed(self, job_id: str) -> JobRecord:
        """The record of a job whose program has got somewhere."""

        async def run(client: Client) -> JobRecord:
            async with client.follow(job_id, progress=True) as events:
                async for event in events:
                    if isinstance(event, Status) and event.record.progress:
                        return event.record
            raise AssertionError(f"{job_id} ended before it got anywhere")

        return self.ask(run)

    def cancel(self, job_id: str) -> None:
        """Have a job canceled, and wait for its end."""
        self.post(f"/jobs/{job_id}/cancel")
        self.ended(job_id)

    def post(self, path: str, body: object = None) -> None:
        """One request, that must succeed."""

        async def run(client: Client) -> None:
            await client._http.request("POST", path, json=body)

        self.ask(run)
