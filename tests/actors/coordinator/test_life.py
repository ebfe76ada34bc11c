"""The life of jobs through the coordinator's real tree."""

from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from dffmpeg.actors.coordinator.operations import Conflict
from dffmpeg.wire.frames import Kind
from dffmpeg.wire.jobs import AttemptReport, FinishReport, JobRecord, Position
from tests.actors.coordinator.tree import (
    ALICE,
    PATIENCE,
    Coordinator,
    FakeWorker,
    advanced,
    open_coordinator,
    output,
)


async def read_all(coordinator: Coordinator, job_id: str) -> tuple[bytes, bytes, JobRecord]:
    """Follow a job to its end as an onlooker does."""
    cursor, streams = Position(wait=PATIENCE), {Kind.STDOUT: b"", Kind.STDERR: b""}
    ended: set[Kind] = set()
    with trio.fail_after(PATIENCE):
        while True:
            for frame in await coordinator.operations.follow(ALICE, job_id, cursor):
                if frame.kind is Kind.STATUS:
                    record = msgspec.json.decode(frame.payload, type=JobRecord)
                    if record.finished and len(ended) == 2:
                        return streams[Kind.STDOUT], streams[Kind.STDERR], record
                    cursor = msgspec.structs.replace(cursor, status=record.status, attempt=frame.attempt)
                else:
                    streams[frame.kind] += frame.payload
                    ended |= {frame.kind} if frame.eof else set()
                    cursor = advanced(cursor, frame)


async def test_from_submission_to_completion(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await coordinator.submit(arguments=["-i", "a b"], working_directory="/tmp")
    request = await worker.take()
    assert (request.job_id, request.attempt, request.arguments) == (job_id, 1, ["-i", "a b"])
    reply = await coordinator.operations.output(
        worker.who,
        job_id,
        [output(1, Kind.STDOUT, 0, b"out"), output(1, Kind.STDERR, 0, b"\xff\r\n", eof=True)],
    )
    assert (reply.stdout.received, reply.stdout.acked, reply.stderr.received) == (3, 3, 3)
    await worker.finish(request, exit_code=3, status="failed", stdout=3, stderr=3)
    stdout, stderr, record = await read_all(coordinator, job_id)
    assert (stdout, stderr) == (b"out", b"\xff\r\n")
    assert (record.status, record.exit_code, record.worker_id, record.attempt) == ("failed", 3, "w1", 1)
    # Its actor is gone: a job that has ended is a row.
    assert coordinator.services.jobs.find(job_id) is None


async def test_a_job_waits_until_a_worker_comes(coordinator: Coordinator) -> None:
    job_id = await coordinator.submit()
    late = FakeWorker(coordinator, "late")
    async with late.online():
        request = await late.take()
        await late.finish(request)
    assert (await coordinator.until(job_id, "completed")).worker_id == "late"


async def test_slots_are_never_exceeded(coordinator: Coordinator, worker: FakeWorker) -> None:
    jobs = [await coordinator.submit() for _ in range(5)]
    first, second = await worker.take(), await worker.take()
    assert {first.job_id, second.job_id} == set(jobs[:2])
    with pytest.raises(trio.WouldBlock):
        worker.requests.receive_nowait()
    await worker.finish(first)
    assert (await worker.take()).job_id == jobs[2]


async def test_a_report_on_a_finished_job_changes_nothing(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await coordinator.submit()
    request = await worker.take()
    await worker.finish(request)
    before = await coordinator.until(job_id, "completed")
    operations, report = coordinator.operations, AttemptReport(attempt=1)
    with pytest.raises(Conflict):
        await worker.finish(request, status="failed", exit_code=1)
    for late in (operations.accept, operations.reject, operations.worker_heartbeat):
        with pytest.raises(Conflict):
            await late(worker.who, job_id, report)
    with pytest.raises(Conflict):
        await operations.output(worker.who, job_id, [output(1, Kind.STDERR, 0, b"late")])
    assert await operations.job(ALICE, job_id) == before


async def test_a_stale_attempt_can_change_nothing(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await coordinator.submit()
    stale = await worker.take()
    other = FakeWorker(coordinator, "w2")
    async with other.online():
        await coordinator.operations.reject(worker.who, job_id, AttemptReport(attempt=1, reason="dying"))
        fresh = await other.take()
        assert fresh.attempt == 2
        for who in (worker, other):
            with pytest.raises(Conflict):
                await coordinator.operations.output(who.who, job_id, [output(1, Kind.STDERR, 0, b"x")])
            with pytest.raises(Conflict):
                await coordinator.operations.finish(
                    who.who, job_id, FinishReport(status="failed", exit_code=1, attempt=1)
                )
        with pytest.raises(Conflict):
            await worker.finish(stale)
        await other.finish(fresh)
    record = await coordinator.until(job_id, "completed")
    assert (record.worker_id, record.attempt) == ("w2", 2)


async def test_canceling_in_each_state(coordinator: Coordinator, worker: FakeWorker) -> None:
    operations = coordinator.operations
    running = await coordinator.submit()
    request = await worker.take()
    await operations.cancel(ALICE, running)
    assert (await coordinator.until(running, "canceling")).reason == "canceled by alice"
    # A second request is no error, and the process's own end does not change how it ends.
    await operations.cancel(ALICE, running)
    await worker.finish(request, status="completed", exit_code=255)
    ended = await coordinator.until(running, "canceled")
    assert (ended.exit_code, ended.reason) == (255, "canceled by alice")
    assert (await operations.cancel(ALICE, running)).detail == "the job is canceled already"

    offered = await coordinator.submit()
    with trio.fail_after(PATIENCE):
        offer = await worker.requests.receive()
    await operations.cancel(ALICE, offered)
    await coordinator.until(offered, "canceled")
    with pytest.raises(Conflict):
        await operations.accept(worker.who, offered, AttemptReport(attempt=offer.attempt))

    waiting = await coordinator.submit(binary_name="ffprobe", paths=["Nowhere"])
    await operations.cancel(ALICE, waiting)
    await coordinator.until(waiting, "canceled")


@pytest.mark.parametrize(("wanted", "given"), [(1.0, 1.0), (1000.0, 20.0)])
async def test_a_worker_shows_life_within_its_lease_however_rarely_the_client_does(
    coordinator: Coordinator, worker: FakeWorker, wanted: float, given: float
) -> None:
    await coordinator.submit(heartbeat_interval=wanted)
    assert (await worker.take()).heartbeat_interval == given


@pytest.mark.parametrize("monitor", [False, True])
async def test_a_coordinator_that_comes_back_goes_on(tmp_path: Path, monitor: bool) -> None:
    async with open_coordinator(tmp_path) as first:
        worker = FakeWorker(first, "w1")
        async with worker.online(slots=1):
            job_id = await first.submit(monitor=monitor)
            waiting = [await first.submit(binary_name="ffprobe") for _ in range(3)]
            request = await worker.take()
            frames = [output(1, Kind.STDOUT, 0, b"0123456789"), output(1, Kind.STDERR, 0, b"abc")]
            await first.operations.output(worker.who, job_id, frames)
            await first.operations.acknowledge(ALICE, job_id, Position(attempt=1, stdout=4, owner=True))
    async with open_coordinator(tmp_path) as second:
        again = FakeWorker(second, "w1")
        again.running = worker.running
        async with again.online(slots=1):
            # The worker holds what was not acknowledged, and does not know who forgot what.
            reply = await second.operations.output(again.who, job_id, [output(1, Kind.STDOUT, 10, b"ab")])
            assert reply.stdout.received == (0 if monitor else 12)
            if monitor:
                kept = [output(1, Kind.STDOUT, 4, b"456789ab", floor=4), output(1, Kind.STDERR, 0, b"abc")]
                reply = await second.operations.output(again.who, job_id, kept)
                assert (reply.stdout.received, reply.stderr.received) == (12, 3)
            cursor = Position(attempt=1, stdout=4, status="running")
            got = await second.operations.follow(ALICE, job_id, cursor)
            assert {(f.kind, f.payload) for f in got} == {(Kind.STDOUT, b"456789ab"), (Kind.STDERR, b"abc")}
            await again.finish(request, stdout=12, stderr=3)
            assert (await second.until(job_id, "completed")).attempt == 1
            for _ in waiting:
                await again.finish(await again.take())
            for other in waiting:
                await second.until(other, "completed")


async def test_reconciliation_tells_a_worker_what_it_should_run(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    kept, canceled, _offered = [await coordinator.submit() for _ in range(3)]
    await worker.take()
    await worker.take()
    await coordinator.operations.cancel(ALICE, canceled)
    strange = msgspec.structs.replace(worker.running[0], job_id="unknown")
    reply = await worker.register(running=[*worker.running, strange], slots=3)
    assert [ref.job_id for ref in reply.cancel] == [canceled]
    assert [ref.job_id for ref in reply.stop] == ["unknown"]
    # It has been restarted: what it ran is gone, and somebody has to run it again.
    reply = await worker.register(running=[], slots=3)
    await coordinator.until(canceled, "canceled")
    assert (await coordinator.until(kept, "pending", "assigned")).attempt <= 2
