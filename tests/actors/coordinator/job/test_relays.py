"""What comes out of a job, between its worker, its owner and onlookers."""

from pathlib import Path

import pytest
import trio
import trio.testing

from dffmpeg.actors.coordinator.operations import Conflict
from dffmpeg.configuration.coordinator import CoordinatorConfig, Streams
from dffmpeg.wire.frames import MAX_PAYLOAD, Kind
from dffmpeg.wire.jobs import Position
from tests.actors.coordinator.tree import (
    ALICE,
    PATIENCE,
    Coordinator,
    FakeWorker,
    open_coordinator,
    output,
)


async def test_the_owner_s_pace_rules(tmp_path: Path) -> None:
    config = CoordinatorConfig(streams=Streams(window=1000))
    async with open_coordinator(tmp_path, config) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            job_id = await coordinator.submit(monitor=True)
            await worker.take()
            operations = coordinator.operations
            half = output(1, Kind.STDOUT, 0, b"x" * 600)
            assert (await operations.output(worker.who, job_id, [half])).stdout.acked == 0
            answered = trio.Event()

            async def send_more() -> None:
                rest = output(1, Kind.STDOUT, 600, b"y" * 600)
                reply = await operations.output(worker.who, job_id, [rest])
                assert (reply.stdout.received, reply.stdout.acked) == (1200, 900)
                answered.set()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send_more)
                cursor = Position(attempt=1, status="running", owner=True, wait=PATIENCE, stdout=600)
                assert (await operations.follow(ALICE, job_id, cursor))[0].payload == b"y" * 600
                # An onlooker's position does not move the window, the owner's does.
                await operations.acknowledge(ALICE, job_id, Position(attempt=1, stdout=1200))
                assert not answered.is_set()
                await operations.acknowledge(ALICE, job_id, Position(attempt=1, stdout=900, owner=True))


async def test_no_more_than_a_window_and_a_request_is_taken(tmp_path: Path) -> None:
    config = CoordinatorConfig(streams=Streams(window=1000))
    async with open_coordinator(tmp_path, config) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            job_id = await coordinator.submit(monitor=True)
            await worker.take()
            piece = b"x" * MAX_PAYLOAD
            frames = [output(1, Kind.STDOUT, number * MAX_PAYLOAD, piece) for number in range(5)]
            replies = []

            async def send() -> None:
                replies.append(await coordinator.operations.output(worker.who, job_id, frames))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                await trio.testing.wait_all_tasks_blocked()
                taken = Position(attempt=1, stdout=MAX_PAYLOAD, owner=True)
                while not replies:
                    await coordinator.operations.acknowledge(ALICE, job_id, taken)
                    taken = Position(attempt=1, stdout=2 * MAX_PAYLOAD, owner=True)
            assert replies[0].stdout.received == 2 * MAX_PAYLOAD


async def test_what_the_owner_has_not_taken_is_kept_at_the_end(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await coordinator.submit(monitor=True)
    request = await worker.take()
    operations = coordinator.operations
    await operations.output(worker.who, job_id, [output(1, Kind.STDOUT, 0, b"taken, and not", eof=True)])
    await operations.acknowledge(ALICE, job_id, Position(attempt=1, stdout=5, owner=True))
    with pytest.raises(Conflict, match="output missing: stdout has 14 of 20 bytes"):
        await worker.finish(request, stdout=20)
    await worker.finish(request, stdout=14)
    cursor = Position(attempt=1, stdout=5, status="running", owner=True)
    frames = await operations.follow(ALICE, job_id, cursor)
    assert [(f.kind, f.offset, f.payload, f.eof) for f in frames[:2]] == [
        (Kind.STDOUT, 5, b", and not", True),
        (Kind.STDERR, 0, b"", True),
    ]


async def test_a_gap_is_not_taken_and_a_repetition_is_harmless(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await coordinator.submit()
    await worker.take()
    send = coordinator.operations.output
    for frame, received in (
        (output(1, Kind.STDERR, 5, b"later"), 0),
        (output(1, Kind.STDERR, 0, b"01234"), 5),
        (output(1, Kind.STDERR, 0, b"01234"), 5),
        (output(1, Kind.STDERR, 3, b"34567"), 8),
    ):
        assert (await send(worker.who, job_id, [frame])).stderr.received == received
