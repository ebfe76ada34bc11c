"""What a run through the Python interface outlives: broken connections, new attempts, slow sinks."""

from __future__ import annotations

import os

import pytest
import trio

from dffmpeg.backoff import Backoff
from dffmpeg.client.api import Client
from dffmpeg.client.progress import OutputDiffers
from dffmpeg.wire.frames import Kind
from tests.client.conftest import config_for
from tests.client.coordinator import Coordinator, free_port, running
from tests.client.jobs import Job
from tests.client.sinks import Sinks


async def test_broken_connections_lose_and_repeat_nothing(coordinator: Coordinator, client: Client) -> None:
    data = os.urandom(600_000)
    coordinator.close_after = [0, 1, 65_536, 65_537, 300_000]
    coordinator.overlap = 1000

    async def behave(job: Job) -> None:
        job.start()
        job.write(data)
        job.finish(exit_code=0)

    coordinator.behave = behave
    sinks = Sinks()
    await client.run("ffmpeg", [], stdout=sinks.stdout, stderr=sinks.stderr)
    assert sinks.out == data
    assert coordinator.close_after == []


async def test_one_that_is_asked_to_come_again_does_so_at_once(
    coordinator: Coordinator, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where each connection brings something nobody waits, however often that is."""
    waited: list[float] = []

    class Recorded(Backoff):
        def wait(self, attempt: int, chance: float, *, asked: float | None) -> float:
            waited.append(super().wait(attempt, chance, asked=asked))
            return waited[-1]

    data = os.urandom(600_000)
    coordinator.close_after = [100_000, 200_000, 300_000, 300_000, 300_000]

    async def behave(job: Job) -> None:
        job.start()
        job.write(data)
        job.finish(exit_code=0)

    coordinator.behave = behave
    sinks = Sinks()
    monkeypatch.setattr("dffmpeg.client.session.RECONNECT", Recorded(0.1, 2.0, jitter=0.5))
    await client.run("ffmpeg", [], stdout=sinks.stdout, stderr=sinks.stderr)
    assert sinks.out == data
    assert waited[:3] == [0.0, 0.0, 0.0]
    # These two brought nothing new.
    assert len(waited) == 5
    assert 0.1 <= waited[3] <= 0.2 <= waited[4] <= 0.4


async def test_a_new_attempt_continues_where_the_old_one_ended(
    coordinator: Coordinator, client: Client
) -> None:
    delivered = trio.Event()

    async def behave(job: Job) -> None:
        job.start()
        job.write(b"0123456789")
        job.write(b"first", Kind.STDERR)
        await delivered.wait()
        job.start()
        job.write(b"0123456789abc")
        job.write(b"second", Kind.STDERR)
        job.finish(exit_code=0)

    coordinator.behave = behave
    sinks = Sinks()

    async def stdout(data: bytes) -> None:
        await sinks.stdout(data)
        if sinks.out == b"0123456789" and sinks.err == b"first":
            delivered.set()

    async def stderr(data: bytes) -> None:
        await sinks.stderr(data)
        if sinks.out == b"0123456789" and sinks.err == b"first":
            delivered.set()

    await client.run("ffmpeg", [], stdout=stdout, stderr=stderr)
    assert (bytes(sinks.out), bytes(sinks.err)) == (b"0123456789abc", b"firstsecond")


async def test_a_new_attempt_that_differs_fails_and_cancels(coordinator: Coordinator, client: Client) -> None:
    delivered = trio.Event()

    async def behave(job: Job) -> None:
        job.start()
        job.write(b"0123456789")
        await delivered.wait()
        job.start()
        job.write(b"012345678X")
        await job.canceled.wait()

    coordinator.behave = behave
    sinks = Sinks()

    async def stdout(data: bytes) -> None:
        await sinks.stdout(data)
        delivered.set()

    with pytest.raises(OutputDiffers):
        await client.run("ffmpeg", [], stdout=stdout, stderr=sinks.stderr)
    assert sinks.out == b"0123456789"
    assert next(iter(coordinator.jobs.values())).canceled.is_set()


async def test_a_slow_sink_holds_acknowledgements_back_but_not_the_other_stream(
    coordinator: Coordinator, client: Client
) -> None:
    coordinator.window = 1000
    stuck, go_on, told = trio.Event(), trio.Event(), trio.Event()

    async def behave(job: Job) -> None:
        job.start()
        job.write(bytes(5000))
        await stuck.wait()
        job.write(b"still here", Kind.STDERR)
        await told.wait()
        assert job.position.stdout == 0
        go_on.set()
        job.finish(exit_code=0)

    coordinator.behave = behave
    sinks = Sinks()

    async def stdout(data: bytes) -> None:
        stuck.set()
        await go_on.wait()
        await sinks.stdout(data)

    async def stderr(data: bytes) -> None:
        told.set()

    await client.run("ffmpeg", [], stdout=stdout, stderr=stderr)
    assert sinks.out == bytes(5000)


async def test_a_silent_job_is_kept_alive_over_the_websocket(coordinator: Coordinator) -> None:
    async def behave(job: Job) -> None:
        job.start()
        await job.until(lambda: job.signs >= 5)
        job.finish(exit_code=0)

    coordinator.behave = behave
    async with Client(config_for(coordinator.url, heartbeat_interval=0.05)) as client:
        outcome = await client.run("ffmpeg", [], stdout=Sinks().stdout, stderr=Sinks().stderr)
    assert outcome.exit_code == 0


@pytest.mark.parametrize("transport", ["websocket", "http_polling"])
async def test_a_stuck_sink_does_not_cost_the_lease(coordinator: Coordinator, transport: str) -> None:
    go_on = trio.Event()

    async def behave(job: Job) -> None:
        job.start()
        job.write(b"abc")
        before = job.signs
        await job.until(lambda: job.signs + job.heartbeats >= before + 5)
        assert job.position.stdout == 0
        go_on.set()
        job.finish(exit_code=0)

    coordinator.behave = behave
    sinks = Sinks()

    async def stdout(data: bytes) -> None:
        await go_on.wait()
        await sinks.stdout(data)

    config = config_for(coordinator.url, heartbeat_interval=0.05, transports=[transport])
    async with Client(config) as client:
        await client.run("ffmpeg", [], stdout=stdout, stderr=sinks.stderr)
    assert sinks.out == b"abc"


async def test_a_coordinator_that_comes_back_is_found_again() -> None:
    notes: list[str] = []
    sinks = Sinks()
    port = free_port()
    cut, told, ended = trio.Event(), trio.Event(), trio.Event()

    async def stdout(data: bytes) -> None:
        await sinks.stdout(data)
        cut.set()

    def note(line: str) -> None:
        notes.append(line)
        told.set()

    async with (
        Client(config_for(f"http://127.0.0.1:{port}"), note=note) as client,
        trio.open_nursery() as nursery,
    ):
        async with running(port) as first:
            job = first.job()
            job.write(b"0123")

            async def deliver() -> None:
                outcome = await client.deliver(
                    job.record.job_id, stdout=stdout, stderr=sinks.stderr, owner=True
                )
                assert outcome.exit_code == 5
                ended.set()

            nursery.start_soon(deliver)
            await cut.wait()
        await told.wait()
        async with running(port) as second:
            again = second.job()
            again.write(b"01234567")
            again.finish("failed", exit_code=5)
            with trio.fail_after(60):
                await ended.wait()
    assert sinks.out == b"01234567"
    assert "was interrupted, trying again" in notes[0]
