"""A job in full, and its log, from real programs on a real worker."""

from __future__ import annotations

import json
import subprocess
import time
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import tomli_w
import trio
import trio_websocket

from dffmpeg.client.api import Client
from dffmpeg.configuration import load
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.wire import signature
from dffmpeg.wire.dashboard import JobPage
from dffmpeg.wire.jobs import JobRecord
from tests.cluster.kit import GUARD, Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.ffmpeg]

SOURCE = ["-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=60"]
PROGRESS = ["-stats_period", "0.05", "-nostdin"]


class Log:
    """What came of a log so far."""

    def __init__(self) -> None:
        self.content = b""
        self.marks: list[dict[str, Any]] = []

    async def read(
        self,
        cluster: Cluster,
        job_id: str,
        until: bytes = b"",
        mark: dict[str, Any] | None = None,
        attempt: int = 1,
    ) -> None:
        """Read from an attempt's log on to the end, or until something stands in it."""
        config = load(ClientConfig, "client", cluster.data / "client.toml")
        target = f"/api/v1/jobs/{job_id}/log?attempt={attempt}&from={len(self.content)}"
        signed = signature.sign(
            config.client_id, signature.decode_key(config.hmac_key), "GET", target, b"", now=time.time()
        )
        headers = [(name.encode(), value.encode()) for name, value in signed.items()]
        address = urlsplit(cluster.url)
        with trio.fail_after(GUARD):
            # On a stream of our own: the library forgets to close one of a client that was cut off.
            async with (
                await trio.open_tcp_stream(address.hostname or "", address.port or 0) as stream,
                trio.open_nursery() as nursery,
            ):
                end = await trio_websocket.wrap_client_stream(
                    nursery, stream, "127.0.0.1", target, extra_headers=headers
                )
                while not ((until and until in self.content) or mark in self.marks):
                    try:
                        message = await end.get_message()
                    except trio_websocket.ConnectionClosed:
                        break
                    if isinstance(message, bytes):
                        self.content += message
                    elif message != "{}":
                        self.marks.append(json.loads(message))
                await end.aclose()


async def page_of(client: Client, job_id: str) -> JobPage:
    return await client._http.call("GET", f"/api/v1/jobs/{job_id}", JobPage)


def change(file: Path, **changes: Any) -> None:
    """Set values in a configuration file; those of a table are added to it."""
    values = tomllib.loads(file.read_text())
    for name, value in changes.items():
        values[name] = {**values.get(name, {}), **value} if isinstance(value, dict) else value
    file.write_text(tomli_w.dumps(values))


async def submitted(client: Client, *arguments: str | bytes) -> JobRecord:
    return await client.submit("ffmpeg", list(arguments))


async def test_a_real_log_is_read_as_it_grows_and_over_the_death_of_a_worker(tmp_path: Path) -> None:
    out = tmp_path / "a b.avi"
    with Cluster(tmp_path, "--workers", "1") as cluster:
        async with cluster.client() as client:
            job = await submitted(client, *PROGRESS, "-re", *SOURCE, "-c:v", "mpeg4", "-y", str(out))
            log = Log()
            # ffmpeg ends its progress lines so, many times a second.
            await log.read(cluster, job.job_id, until=b"\r")
            assert b"frame=" in log.content
            assert log.marks == [{"attempt": 1}, {"offset": 0}]
            cluster.kill("worker1")
            cluster.start("worker1")
            again = Log()
            await again.read(cluster, job.job_id, mark={"attempt": 2})
            assert again.content.startswith(log.content)
            # Canceled before it says anything, it would have no last words.
            await Log().read(cluster, job.job_id, until=b"\r", attempt=2)
            await client.cancel(job.job_id)
            whole = Log()
            await whole.read(cluster, job.job_id)
            assert whole.marks[-1] == {"end": True}
            assert whole.content.startswith(again.content[: len(log.content)])
            page = await page_of(client, job.job_id)
        assert [one.what for one in page.timeline] == [
            "submitted",
            "assigned",
            "started",
            "lost",
            "retry",
            "assigned",
            "started",
            "canceled",
            "canceled",
        ]
        assert page.timeline[-1].text == f"canceled: canceled by {job.requester_id}"
        assert page.attempts[1].stderr_end is not None


@pytest.mark.parametrize("views", ["auto", "never"])
async def test_the_commands_of_a_job_are_those_that_are_run(tmp_path: Path, views: str) -> None:
    media, there = tmp_path / "client media", tmp_path / "worker media"
    media.mkdir()
    there.mkdir()
    with Cluster(tmp_path, "--workers", "1") as cluster:
        change(cluster.data / "worker1.toml", views=views, paths={"Films": str(there)})
        change(cluster.data / "client.toml", paths={"Films": str(media)})
        cluster.kill("worker1")
        cluster.start("worker1")
        async with cluster.client() as client:
            source = [*SOURCE[:-1], "testsrc2=s=64x36:r=25:d=0.2"]
            name = b"Gr\xfcn $1.avi"
            target = bytes(media) + b"/" + name
            job = await submitted(client, *source, "-c:v", "mpeg4", "-y", target)
            with trio.fail_after(GUARD):
                async with client.follow(job.job_id) as events:
                    async for _event in events:
                        pass
            page = await page_of(client, job.job_id)
    assert page.job.status == "completed"
    (produced,) = there.iterdir()
    assert bytes(produced).endswith(name)
    commands = page.commands
    assert commands.mapped.arguments[0] == "ffmpeg"
    assert commands.mapped.line.endswith(r"$'$Films/Gr\374n $1.avi'")
    assert commands.client is not None
    assert commands.client.line.endswith(rf"$'{media}/Gr\374n $1.avi'")
    assert commands.worker is not None
    assert commands.worker.arguments[0] != "ffmpeg"
    shown = media if commands.in_view else there
    assert commands.worker.line.endswith(rf"$'{shown}/Gr\374n $1.avi'")
    if views == "never":
        assert not commands.in_view
        # Pasted into a shell of the worker's it does the same.
        produced.unlink()
        subprocess.run(["bash", "-c", commands.worker.line], check=True, stdin=subprocess.DEVNULL)
        assert produced.exists()
