"""One identity is one worker process, with real processes, connections and kills."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec
import pytest
import trio

from dffmpeg.client.api import Client
from dffmpeg.client.events import Status
from dffmpeg.wire.jobs import JobRecord
from tests.cluster.kit import GUARD, Cluster, program, read_line

pytestmark = pytest.mark.cluster

REFUSED = "another process is worker worker1"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    waits = program(tmp_path / "waits", "exec sleep 600")
    with Cluster(tmp_path, "--workers", "1", "--slots", "1", "--binary", f"ffmpeg={waits}") as running:
        yield running


class SecondProcess:
    """Another process of worker1, as if on another machine: it cannot see the first one's lock.

    Attributes:
        said: what it has logged, as far as that was waited for.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.said = ""
        self._command = cluster.state["processes"]["worker1"]["argv"]
        self._environment = {**os.environ, "XDG_CACHE_HOME": str(cluster.folder / "elsewhere")}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=self._environment,
            text=True,
        )
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self.said += self._process.communicate(timeout=GUARD)[0]

    def until(self, words: str) -> None:
        """Wait until it has logged this."""
        while words not in self.said:
            line = read_line(self._process.stdout)
            assert line, self.said
            self.said += line


async def attempt(client: Client, job_id: str, number: int) -> JobRecord:
    """Wait until an attempt runs."""
    with trio.fail_after(GUARD):
        async with client.follow(job_id) as events:
            async for event in events:
                if isinstance(event, Status) and event.record.status == "running":
                    assert event.record.attempt <= number
                    if event.record.attempt == number:
                        return event.record
    raise AssertionError("it has ended")


async def test_a_second_process_waits_until_the_first_one_is_gone(cluster: Cluster) -> None:
    async with cluster.client() as client:
        job = await client.submit("ffmpeg", ["x"])
        await attempt(client, job.job_id, 1)
        with SecondProcess(cluster) as second:
            second.until(REFUSED)
            # The first one has its job still, and would not if its place had been taken.
            record = await client.worker("worker1")
            assert (record.status, record.used_slots) == ("online", 1)
            assert (await client.status(job.job_id)).attempt == 1
            cluster.kill("worker1")
            await attempt(client, job.job_id, 2)
            await client.cancel(job.job_id)
        assert second.said.count(REFUSED) == 1
        assert "Traceback" not in second.said


@pytest.mark.parametrize("transports", [["websocket"], ["http_polling"]])
async def test_a_worker_that_was_killed_is_back_at_once(cluster: Cluster, transports: list[str]) -> None:
    config = cluster.data / "worker1.toml"
    config.write_text(f"transports = {msgspec.json.encode(transports).decode()}\n" + config.read_text())
    async with cluster.client() as client:
        cluster.kill("worker1")
        cluster.start("worker1")
        job = await client.submit("ffmpeg", ["x"])
        await attempt(client, job.job_id, 1)
        # Nobody could see the end of one that polls, nor of any while there is no coordinator.
        cluster.kill("coordinator")
        cluster.kill("worker1")
        cluster.start("coordinator")
        cluster.start("worker1")
        await attempt(client, job.job_id, 2)
        assert REFUSED not in (cluster.data / "logs" / "worker1.again.log").read_text()
        await client.cancel(job.job_id)
