"""A job leaves a worker whose mount is lost, and that worker stays useful and gets its path back."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import trio

from dffmpeg.client.api import Client
from dffmpeg.client.events import STDOUT, Output
from dffmpeg.wire.jobs import JobRecord
from dffmpeg.wire.workers import WorkerRecord
from tests.actors.worker.mounts.fuse import CONTENT, Stalling, mount, unmount, why_not
from tests.cluster.alarm import listening
from tests.cluster.kit import GUARD, Cluster, program

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(why_not() is not None, reason=f"no file system that hangs: {why_not()}"),
]

_BIND = 4096
WORKERS = ("worker1", "worker2")


class Storage:
    """Of each worker, its own way to the same storage; it can be lost and come back."""

    def __init__(self, folder: Path, stack: ExitStack, *, hanging: bool) -> None:
        self._folder = folder
        self._hanging = hanging
        self._stack = stack
        self._servers: dict[str, Stalling] = {}
        for name in WORKERS:
            self.path(name).mkdir()
            if hanging:
                self._servers[name] = stack.enter_context(Stalling(self.path(name)))
            else:
                self._bind(name)

    def path(self, worker: str) -> Path:
        return self._folder / f"nas of {worker}"

    def _bind(self, worker: str) -> None:
        export = self._folder / "export"
        export.mkdir(exist_ok=True)
        (export / "marker").write_bytes(CONTENT)
        mount(str(export), str(self.path(worker)), "none", flags=_BIND)
        self._stack.callback(unmount, str(self.path(worker)))

    def lose(self, worker: str) -> None:
        if self._hanging:
            self._servers[worker].stall()
        else:
            unmount(str(self.path(worker)))

    def come_back(self, worker: str) -> None:
        if self._hanging:
            self._servers[worker].answer()
        else:
            self._bind(worker)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def change(file: Path, **changes: dict[str, Any]) -> None:
    """Add to the tables of a configuration file."""
    values = tomllib.loads(file.read_text())
    for table, entries in changes.items():
        values.setdefault(table, {}).update(entries)
    file.write_text(tomli_w.dumps(values))


async def until_worker(client: Client, name: str, condition: Callable[[WorkerRecord], bool]) -> WorkerRecord:
    with trio.fail_after(GUARD):
        while not condition(record := await client.worker(name)):
            await trio.lowlevel.checkpoint()
        return record


async def until_job(client: Client, job_id: str, condition: Callable[[JobRecord], bool]) -> JobRecord:
    with trio.fail_after(GUARD):
        while not condition(record := await client.status(job_id)):
            await trio.lowlevel.checkpoint()
        return record


def offers(record: WorkerRecord) -> bool:
    return record.status == "online" and "Nas" in record.paths


@pytest.mark.parametrize("hanging", [True, False], ids=["hangs", "is unmounted"])
async def test_what_needs_a_lost_mount_moves(tmp_path: Path, stack: ExitStack, hanging: bool) -> None:
    storage = Storage(tmp_path, stack, hanging=hanging)
    gate, nas = tmp_path / "gate", tmp_path / "nas"
    nas.mkdir()
    script = f'echo on >&2; while [ ! -e {gate} ]; do cat "$1" > /dev/null; sleep 0.05; done; cat "$1"'
    ffmpeg = program(tmp_path / "reading", script)
    with Cluster(tmp_path, "--workers", "2", "--slots", "1", "--binary", f"ffmpeg={ffmpeg}") as cluster:
        for name in WORKERS:
            settings = {"path": str(storage.path(name)), "interval": 0.2, "timeout": 2.0, "patience": 1.0}
            change(
                cluster.data / f"{name}.toml",
                paths={"Nas": str(storage.path(name))},
                mounts={"NAS": settings},
            )
            cluster.kill(name)
            cluster.start(name)
        change(cluster.data / "client.toml", paths={"Nas": str(nas)})
        async with cluster.client() as client, cluster.client("admin") as admin, listening(admin) as alarm:
            for name in WORKERS:
                await until_worker(client, name, offers)
            job_id = (await client.submit("ffmpeg", [str(nas / "marker")])).job_id
            record = await until_job(client, job_id, lambda record: record.status == "running")
            first = record.worker_id
            assert first is not None
            storage.lose(first)
            lost = await until_worker(client, first, lambda record: "Nas" not in record.paths)
            assert lost.status == "online"
            lost_as = "hung: " if hanging else "gone: "
            await until_worker(client, first, lambda record: record.mounts["NAS"].startswith(lost_as))
            alert = await alarm.until("mount_gone")
            assert alert.subject == first
            assert f"the mount NAS {'does not answer' if hanging else 'is not there'} (" in alert.text
            record = await until_job(
                client, job_id, lambda record: record.status == "running" and record.attempt == 2
            )
            assert record.worker_id not in (None, first)
            # The other worker's only slot is taken: what runs beside it runs where the mount is lost.
            beside = (await client.submit("ffmpeg", [str(ffmpeg)])).job_id
            record = await until_job(client, beside, lambda record: record.status == "running")
            assert record.worker_id == first
            gate.touch()
            assert (await until_job(client, beside, lambda record: record.finished)).status == "completed"
            assert (await until_job(client, job_id, lambda record: record.finished)).status == "completed"
            storage.come_back(first)
            back = await until_worker(client, first, offers)
            assert back.mounts == {"NAS": "healthy"}
            await alarm.until_over(alert)
            again = (await client.submit("ffmpeg", [str(nas / "marker")])).job_id
            output = bytearray()
            async with client.follow(again) as events:
                async for event in events:
                    if isinstance(event, Output) and event.stream == STDOUT:
                        output += event.data
            assert bytes(output) == CONTENT
