"""Workers on which attempts keep failing, in the coordinator's real tree."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from dffmpeg.model.workers import Hold
from dffmpeg.wire.jobs import AttemptReport
from dffmpeg.wire.workers import AttemptRef
from tests.actors.coordinator.scheduling import FOREVER, Clock, settled
from tests.actors.coordinator.tree import ADMIN, ALICE, PATIENCE, Coordinator, FakeWorker, open_coordinator


async def until_held(coordinator: Coordinator, name: str, hold: Hold | None) -> None:
    with trio.fail_after(PATIENCE):
        while True:
            worker = await coordinator.services.store.workers.get(name)
            assert worker is not None
            if worker.hold is hold:
                return
            await trio.lowlevel.checkpoint()


async def lose(coordinator: Coordinator, worker: FakeWorker) -> str:
    """Take a job, and lose it through a fault of the worker's own."""
    request = await worker.take()
    report = AttemptReport(attempt=request.attempt, reason="lost: a fault in the worker ended it")
    await coordinator.operations.reject(worker.who, request.job_id, report)
    worker.running.remove(AttemptRef(job_id=request.job_id, attempt=request.attempt))
    return request.job_id


async def test_a_worker_that_keeps_failing_is_left_alone_and_proves_itself(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    async with open_coordinator(tmp_path, FOREVER, Clock()) as coordinator:
        operations, worker = coordinator.operations, FakeWorker(coordinator, "w1")
        async with worker.online(slots=3):
            for _ in range(2):
                await coordinator.submit(max_attempts=1)
                await lose(coordinator, worker)
                await settled(coordinator)
                mock_clock.jump(2.0)
            await until_held(coordinator, "w1", Hold.QUARANTINED)
            record = await operations.worker(ADMIN, "w1")
            assert (record.status, record.strikes) == ("quarantined", 2)
            assert record.hold_reason == "2 failures in a row; the last one: it lost a job"
            jobs = [await coordinator.submit(max_attempts=1) for _ in range(3)]
            await settled(coordinator)
            mock_clock.jump(101.0)
            # Back, it gets one job, and that one alone decides. It fails: twice as long.
            assert await lose(coordinator, worker) == jobs[0]
            await until_held(coordinator, "w1", Hold.QUARANTINED)
            await settled(coordinator)
            mock_clock.jump(150.0)
            await settled(coordinator)
            assert (await operations.worker(ADMIN, "w1")).status == "quarantined"
            await settled(coordinator)
            mock_clock.jump(51.0)
            canary = await worker.take()
            await settled(coordinator)
            with pytest.raises(trio.WouldBlock):
                worker.requests.receive_nowait()
            (verdict,) = (await operations.why(ADMIN, jobs[2])).workers
            assert "back from quarantine" in verdict.reasons[0]
            await worker.finish(canary, status="failed", exit_code=1)
            # A program that fails is the program's business: the worker did what it should.
            assert (await worker.take()).job_id == jobs[2]
            assert (await operations.worker(ADMIN, "w1")).strikes == 0


async def test_a_rejection_counts_where_the_worker_says_that_the_fault_is_its_own(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    async with open_coordinator(tmp_path, FOREVER, Clock()) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online(slots=1):
            for fault, strikes in ((False, 0), (True, 1), (False, 1), (True, 2)):
                job_id = await coordinator.submit()
                request = await worker.requests.receive()
                while request.job_id != job_id:
                    # A job that was rejected may have been offered again before it was canceled.
                    request = await worker.requests.receive()
                report = AttemptReport(attempt=request.attempt, reason="cannot", fault=fault)
                await coordinator.operations.reject(worker.who, request.job_id, report)
                await coordinator.operations.cancel(ALICE, job_id)
                await settled(coordinator)
                assert (await coordinator.operations.worker(ADMIN, "w1")).strikes == strikes
                await settled(coordinator)
                mock_clock.jump(2.0)
            assert (await coordinator.operations.worker(ADMIN, "w1")).status == "quarantined"


async def test_what_counts_as_one_strike(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    async with open_coordinator(tmp_path, FOREVER, Clock()) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online(slots=4):
            # One job, as often as it fails: it may be the job.
            await coordinator.submit(max_attempts=5)
            for _ in range(3):
                await lose(coordinator, worker)
                await settled(coordinator)
                mock_clock.jump(5.0)
            record = await coordinator.operations.worker(ADMIN, "w1")
            assert (record.status, record.strikes) == ("online", 1)
            await worker.finish(await worker.take())
            # Many at once: they have one cause.
            for _ in range(4):
                await coordinator.submit(max_attempts=1)
            for _ in range(4):
                await lose(coordinator, worker)
            await settled(coordinator)
            record = await coordinator.operations.worker(ADMIN, "w1")
            assert (record.status, record.strikes) == ("online", 1)


async def test_one_silence_is_one_strike(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    async with open_coordinator(tmp_path, FOREVER, Clock()) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online(slots=3):
            leases = (10.0, 20.0, 35.0)
            jobs = [await coordinator.submit(max_attempts=1, lease=lease) for lease in leases]
            for _ in jobs:
                await worker.take()
            for job_id in jobs[:2]:
                await settled(coordinator)
                mock_clock.jump(11.0)
                assert "no word from w1" in ((await coordinator.until(job_id, "failed")).reason or "")
                await settled(coordinator)
                assert (await coordinator.operations.worker(ADMIN, "w1")).strikes == 1
            # It was there again meanwhile: the next silence is another one.
            worker.running.clear()
            await worker.register(slots=3, running=None)
            await settled(coordinator)
            # Not as far as to when the scheduler counts all jobs: who has just failed then is not judged.
            mock_clock.jump(36.0)
            await coordinator.until(jobs[2], "failed")
            await until_held(coordinator, "w1", Hold.QUARANTINED)
