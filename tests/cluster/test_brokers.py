"""Whole clusters whose workers hear over a broker and report over HTTP, while the broker comes and goes."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tomli_w
import trio

from dffmpeg.client.api import Client
from dffmpeg.client.events import Status
from dffmpeg.wire.jobs import JobRecord
from dffmpeg.wire.workers import WorkerRecord
from tests.cluster.kit import GUARD, Cluster
from tests.cluster.test_piped import COMMAND, FRAME, FRAMES, Transcode, source
from tests.servers.mosquitto import open_mosquitto
from tests.servers.process import ServerProcess
from tests.servers.rabbitmq import PASSWORD, USER, open_rabbitmq
from tests.servers.requirements import Missing
from tests.services import require

pytestmark = [pytest.mark.cluster, pytest.mark.ffmpeg]

ENDLESS = ["-re", "-f", "lavfi", "-i", "testsrc2=s=64x36:r=25", "-f", "null", "-"]


@dataclass(frozen=True, slots=True)
class Broker:
    """One that is this test's own."""

    name: str
    process: ServerProcess
    settings: dict[str, Any]


@asynccontextmanager
async def open_broker(name: str) -> AsyncIterator[Broker]:
    try:
        if name == "mqtt":
            async with open_mosquitto() as mosquitto:
                where = {"host": mosquitto.host, "port": mosquitto.port}
                yield Broker(name, mosquitto.process, where)
        else:
            async with open_rabbitmq(nodes=1) as cluster:
                (node,) = cluster.nodes
                where = {"host": node.host, "port": node.port, "username": USER, "password": PASSWORD}
                yield Broker(name, node.process, where)
    except Missing as missing:
        require(name, str(missing))


def cluster_on(broker: Broker, folder: Path) -> Cluster:
    """A cluster whose only other downlink is polling; not running yet."""
    data = folder / "data"
    data.mkdir()
    names = [broker.name, "http_polling"]
    transports = {
        "enabled_transports": names,
        "transport_settings": {broker.name: broker.settings},
        "grace": 1.0,
    }
    (data / "coordinator.toml").write_text(tomli_w.dumps({"transports": transports}))
    worker = {
        "transports": names,
        "transport_settings": {broker.name: broker.settings},
        "registration_interval": 0.5,
        "downlink_grace": 600.0,
    }
    (data / "worker1.toml").write_text(tomli_w.dumps(worker))
    (data / "coordinator.toml").chmod(0o600)
    (data / "worker1.toml").chmod(0o600)
    return Cluster(folder, "--workers", "1")


async def until_uses(client: Client, transport: str) -> None:
    """Wait until the worker is told to use that one."""
    with trio.fail_after(GUARD):
        while True:
            if (await worker(client)).transport == transport:
                return
            await trio.sleep(0.1)


async def worker(client: Client) -> WorkerRecord:
    (record,) = await client.workers()
    return record


@pytest.mark.parametrize("name", ["mqtt", "rabbitmq"])
async def test_a_piped_transcode_survives_its_broker(name: str, tmp_path: Path) -> None:
    data = source()[: FRAME * FRAMES]
    local = subprocess.run(["ffmpeg", *COMMAND], input=data, capture_output=True, check=True)
    async with open_broker(name) as broker:
        with cluster_on(broker, tmp_path) as cluster:
            cluster.start_agent()
            async with cluster.client("admin") as client:
                assert (await worker(client)).transport == name
            transcode = Transcode(cluster, data)
            transcode.some_output()
            await broker.process.kill()
            await broker.process.start()
            status, output, errors = transcode.rest()
    assert (status, errors) == (0, b"")
    assert output == local.stdout


@pytest.mark.parametrize("name", ["mqtt", "rabbitmq"])
async def test_workers_move_while_their_broker_is_away_and_move_back(name: str, tmp_path: Path) -> None:
    async with open_broker(name) as broker:
        with cluster_on(broker, tmp_path) as cluster:
            async with cluster.client("admin") as client:
                await until_uses(client, name)
                await _canceled(client)
                await broker.process.kill()
                await until_uses(client, "http_polling")
                await _canceled(client)
                assert cluster.run("-version").returncode == 0
                await broker.process.start()
                await until_uses(client, name)
                await _canceled(client)
                assert cluster.run("-version").returncode == 0


async def _canceled(client: Client) -> None:
    """Start a job that would never end, and have it end."""
    request = msgspec.structs.replace(client.request("ffmpeg", ENDLESS), monitor=False)
    job = await client._http.call("POST", "/jobs/submit", JobRecord, json=request)
    states: list[str] = []
    with trio.fail_after(GUARD):
        async with client.follow(job.job_id) as events:
            async for event in events:
                if isinstance(event, Status):
                    states.append(event.record.status)
                    if event.record.status == "running":
                        await client.cancel(job.job_id)
    assert states[-1] == "canceled", states
