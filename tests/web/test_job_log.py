"""Reading along what a job writes, and what is kept of it as a file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio_websocket
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection

from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.wire.frames import Kind
from dffmpeg.wire.jobs import AttemptReport, Descriptor, Launch, Position
from tests.actors.coordinator.tree import PATIENCE, FakeWorker, output
from tests.web.conftest import KEYS, code_of, sign
from tests.web.live import Live, identity, live

SMALL = {"stderr_head": 64 * 1024, "stderr_tail": 64 * 1024, "window": 64 * 1024}


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as found:
        yield found


class Log:
    """What comes over one WebSocket."""

    def __init__(self, end: WebSocketConnection) -> None:
        self.end = end
        self.marks: list[dict[str, Any]] = []
        self.content = b""

    async def next(self) -> None:
        message = await self.end.get_message()
        if isinstance(message, bytes):
            self.content += message
        elif message != "{}":
            self.marks.append(json.loads(message))

    async def until(self, content: bytes) -> None:
        while not self.content.endswith(content):
            await self.next()

    async def _forever(self) -> None:
        while True:
            await self.next()

    async def all(self) -> Log:
        """Everything until the server closes."""
        with pytest.raises(ConnectionClosed) as closed:
            await self._forever()
        assert code_of(closed.value) == 1000
        return self


@asynccontextmanager
async def reading(running: Live, job_id: str, query: str = "", name: str = "client") -> AsyncIterator[Log]:
    path = f"/api/v1/jobs/{job_id}/log"
    headers = [(key.encode(), value.encode()) for key, value in sign(name, "GET", path + query).items()]
    # On a stream of our own: the library forgets to close one on which it was refused.
    failure: BaseException | None = None
    try:
        with trio.fail_after(PATIENCE):
            async with (
                await trio.open_tcp_stream("127.0.0.1", running.server.port) as stream,
                trio.open_nursery() as nursery,
            ):
                end = await trio_websocket.wrap_client_stream(
                    nursery, stream, "127.0.0.1", path + query, extra_headers=headers
                )
                async with end:
                    yield Log(end)
    except BaseExceptionGroup as group:
        failure = group
    while isinstance(failure, BaseExceptionGroup) and len(failure.exceptions) == 1:
        failure = failure.exceptions[0]
    if failure is not None:
        raise failure


async def download(running: Live, job_id: str, **query: str) -> bytes:
    async with SignedHttp(running.url, "client", KEYS["client"][1]) as http:
        return await http.request("GET", f"/api/v1/jobs/{job_id}/log/download", query=query)


async def test_a_log_is_read_as_it_is_written(running: Live) -> None:
    operations = running.coordinator.operations
    worker = FakeWorker(running.coordinator, "worker")
    job_id = await running.coordinator.submit(identity("client"))
    async with (
        reading(running, job_id) as log,
        reading(running, job_id, "?from=6") as later,
        worker.online(),
    ):
        request = await worker.take()
        await operations.output(worker.who, job_id, [output(1, Kind.STDERR, 0, b"frame=1\r")])
        await log.until(b"frame=1\r")
        # The other output is nobody's business here.
        pieces = [
            output(1, Kind.STDOUT, 0, b"video" * 1000),
            output(1, Kind.STDERR, 8, b"frame=2\r\xff\n"),
        ]
        await operations.output(worker.who, job_id, pieces)
        await worker.finish(request)
        await log.all()
        assert log.content == b"frame=1\rframe=2\r\xff\n"
        assert log.marks == [{"attempt": 1}, {"offset": 0}, {"end": True}]
        # It was opened before there was an attempt whose offset that could be.
        assert (await later.all()).content == log.content
    async with reading(running, job_id, "?from=8") as again:
        assert (await again.all()).content == b"frame=2\r\xff\n"
        assert again.marks == [{"attempt": 1}, {"offset": 8}, {"end": True}]
    async with reading(running, job_id, "?from=800") as beyond:
        assert (await beyond.all()).content == b""
    async with reading(running, job_id, "?stream=stdout") as out:
        assert (await out.all()).content == b"video" * 1000
    assert await download(running, job_id) == b"frame=1\rframe=2\r\xff\n"
    assert await download(running, job_id, stream="stdout") == b"video" * 1000


async def test_all_attempts_are_read_one_behind_the_other(running: Live) -> None:
    operations = running.coordinator.operations
    worker = FakeWorker(running.coordinator, "worker")
    async with worker.online():
        job_id = await running.coordinator.submit(identity("client"))
        async with reading(running, job_id) as log:
            first = await worker.take()
            await operations.output(worker.who, job_id, [output(1, Kind.STDERR, 0, b"one")])
            await operations.reject(worker.who, job_id, AttemptReport(attempt=first.attempt, reason="lost"))
            second = await worker.take()
            await operations.output(worker.who, job_id, [output(2, Kind.STDERR, 0, b"two, too")])
            await worker.finish(second)
            await log.all()
            assert log.content == b"onetwo, too"
            assert log.marks == [{"attempt": 1}, {"offset": 0}, {"attempt": 2}, {"offset": 0}, {"end": True}]
        async with reading(running, job_id, "?attempt=1&from=2") as again:
            assert (await again.all()).content == b"etwo, too"
            assert again.marks[:2] == [{"attempt": 1}, {"offset": 2}]
        async with reading(running, job_id) as latest:
            assert (await latest.all()).content == b"two, too"
    assert await download(running, job_id, attempt="1") == b"one"
    assert await download(running, job_id) == b"two, too"


async def test_a_reader_never_holds_a_job_up_and_is_told_what_it_missed(tmp_path: Path) -> None:
    piece = b"0123456789abcde\n" * 2048
    async with live(tmp_path, {"streams": SMALL}) as running:
        operations = running.coordinator.operations
        worker = FakeWorker(running.coordinator, "worker")
        async with worker.online():
            job_id = await running.coordinator.submit(identity("client"))
            async with reading(running, job_id):
                # It reads nothing until the job has ended.
                request = await worker.take()
                for number in range(64):
                    frame = output(1, Kind.STDERR, number * len(piece), piece)
                    await operations.output(worker.who, job_id, [frame])
                await worker.finish(request)
            async with reading(running, job_id) as log:
                await log.all()
        marks = {name: value for mark in log.marks for name, value in mark.items()}
        assert marks["dropped"] == 64 * len(piece) - len(log.content)
        assert len(log.content) < 8 * len(piece)
        assert [list(mark) for mark in log.marks] == [
            ["attempt"],
            ["offset"],
            ["dropped"],
            ["offset"],
            ["end"],
        ]
        kept = await download(running, job_id)
        assert b"\n[dffmpeg: %d bytes are not kept]\n" % marks["dropped"] in kept
        assert len(kept.replace(b"\n[dffmpeg: %d bytes are not kept]\n" % marks["dropped"], b"")) == len(
            log.content
        )


async def test_output_that_only_the_owner_got_is_a_gap(running: Live) -> None:
    operations, client = running.coordinator.operations, identity("client")
    worker = FakeWorker(running.coordinator, "worker")
    async with worker.online():
        job_id = await running.coordinator.submit(client, monitor=True)
        request = await worker.take()
        await operations.output(worker.who, job_id, [output(1, Kind.STDOUT, 0, b"video" * 100_000)])
        await operations.acknowledge(client, job_id, Position(attempt=1, stdout=500_000, owner=True))
        await worker.finish(request, stdout=500_000)
        async with reading(running, job_id, "?stream=stdout") as log:
            await log.all()
            assert log.marks[2:] == [{"dropped": 500_000}, {"offset": 500_000}, {"end": True}]
            assert log.content == b""
    assert await download(running, job_id, stream="stdout") == b""


async def test_a_job_that_never_began_has_an_empty_log(running: Live) -> None:
    job_id = await running.coordinator.submit(identity("client"))
    async with reading(running, job_id) as log:
        await running.coordinator.operations.cancel(identity("client"), job_id)
        await log.all()
        assert (log.content, log.marks) == (b"", [{"offset": 0}, {"end": True}])
    assert await download(running, job_id) == b""


async def test_stderr_that_is_stdout_is_found_there(running: Live) -> None:
    worker = FakeWorker(running.coordinator, "worker")
    pipe = Descriptor(number=1, kind="pipe", direction="out")
    both = Launch(descriptors=[pipe, Descriptor(number=2, kind="same", of=1)])
    none = Launch(descriptors=[pipe, Descriptor(number=2, kind="null")])
    async with worker.online():
        job_id = await running.coordinator.submit(identity("client"), launch=both)
        request = await worker.take()
        pieces = [output(1, Kind.STDOUT, 0, b"both")]
        await running.coordinator.operations.output(worker.who, job_id, pieces)
        await worker.finish(request)
        async with reading(running, job_id) as log:
            assert (await log.all()).content == b"both"
    job_id = await running.coordinator.submit(identity("client"), launch=none)
    with pytest.raises(ConnectionRejected) as refused:
        async with reading(running, job_id):
            pass
    assert refused.value.status_code == 404
    assert refused.value.body is not None
    assert b"goes where its caller has it go" in refused.value.body


async def test_stderr_that_is_stdout_is_kept_for_later_readers(running: Live) -> None:
    """As at a terminal, or with `2>&1`: what its caller has taken is a log all the same."""
    operations, client = running.coordinator.operations, identity("client")
    worker = FakeWorker(running.coordinator, "worker")
    pipe = Descriptor(number=1, kind="pipe", direction="out")
    launch = Launch(descriptors=[pipe, Descriptor(number=2, kind="same", of=1)])
    async with worker.online():
        job_id = await running.coordinator.submit(client, launch=launch, monitor=True)
        request = await worker.take()
        said = b"frame" * 20_000
        await operations.output(worker.who, job_id, [output(1, Kind.STDOUT, 0, said)])
        await operations.acknowledge(client, job_id, Position(attempt=1, stdout=len(said)))
        async with reading(running, job_id) as log:
            await log.until(said)
            assert log.marks == [{"attempt": 1}, {"offset": 0}]
        await worker.finish(request)
        async with reading(running, job_id) as log:
            assert (await log.all()).content == said


@pytest.mark.parametrize(
    ("query", "name", "status"),
    [
        ("", "other", 403),
        ("?attempt=7", "client", 422),
        ("?stream=stdin", "client", 422),
        ("?from=-1", "client", 422),
        ("", "worker", 403),
    ],
)
async def test_what_is_refused(running: Live, query: str, name: str, status: int) -> None:
    job_id = await running.coordinator.submit(identity("client"))
    with pytest.raises(ConnectionRejected) as refused:
        async with reading(running, job_id, query, name):
            pass
    assert refused.value.status_code == status


async def test_a_download_is_a_file_and_no_page(running: Live) -> None:
    job_id = await running.coordinator.submit(identity("client"))
    path = f"/api/v1/jobs/{job_id}/log/download"
    async with await trio.open_tcp_stream("127.0.0.1", running.server.port) as stream:
        lines = [f"GET {path} HTTP/1.1", "Host: here", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in sign("admin", "GET", path).items()]
        await stream.send_all("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        with trio.fail_after(PATIENCE):
            async for part in stream:
                answer += part
    head = answer.partition(b"\r\n\r\n")[0].lower().decode()
    assert head.startswith("http/1.1 200")
    assert "content-type: text/plain; charset=utf-8" in head
    assert f'content-disposition: attachment; filename="{job_id.lower()}-0-stderr.txt"' in head
    assert "x-content-type-options: nosniff" in head
