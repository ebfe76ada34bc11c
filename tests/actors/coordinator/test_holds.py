"""Holds and hours of workers, in the coordinator's real tree."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import trio
import trio.testing

from dffmpeg.errors import BadInput
from dffmpeg.model.workers import Hold
from tests.actors.coordinator.scheduling import FOREVER, Clock, settled
from tests.actors.coordinator.tree import ADMIN, ALICE, Coordinator, FakeWorker, open_coordinator


@pytest.mark.parametrize("hold", [Hold.PAUSED, Hold.DRAINING, Hold.QUARANTINED])
async def test_a_held_worker_ends_what_it_has_and_gets_nothing_new(
    coordinator: Coordinator, worker: FakeWorker, hold: Hold
) -> None:
    operations = coordinator.operations
    await coordinator.submit()
    running = await worker.take()
    record = await operations.hold_worker(ADMIN, "w1", hold, reason="new disk")
    assert (record.status, record.hold, record.hold_reason, record.used_slots) == (hold, hold, "new disk", 1)
    job_id = await coordinator.submit()
    # Neither does a renewal change that, nor a new connection.
    await worker.register()
    await worker.finish(running)
    (verdict,) = (await operations.why(ALICE, job_id)).workers
    assert (verdict.suitable, verdict.takes, verdict.reasons) == (
        True,
        False,
        [f"it is {hold.value}: new disk"],
    )
    assert (await operations.worker(ADMIN, "w1")).status == hold
    assert (await operations.release_worker(ADMIN, "w1")).status == "online"
    assert (await worker.take()).job_id == job_id


async def test_a_hold_outlives_coordinator_and_worker(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            await coordinator.operations.hold_worker(ADMIN, "w1", Hold.PAUSED)
    async with open_coordinator(tmp_path) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            job_id = await coordinator.submit()
            (verdict,) = (await coordinator.operations.why(ADMIN, job_id)).workers
            assert verdict.reasons == ["it is paused"]
            await coordinator.operations.release_worker(ADMIN, "w1")
            await worker.take()


async def test_a_hold_for_a_time_ends_by_itself(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    async with open_coordinator(tmp_path, FOREVER, Clock()) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            await coordinator.operations.hold_worker(ADMIN, "w1", Hold.PAUSED, seconds=300.0)
            job_id = await coordinator.submit()
            await settled(coordinator)
            mock_clock.jump(299.0)
            await settled(coordinator)
            assert (await coordinator.operations.job(ADMIN, job_id)).status == "pending"
            await settled(coordinator)
            mock_clock.jump(2.0)
            assert (await worker.take()).job_id == job_id


async def test_hours_open_by_themselves(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    clock = Clock()
    async with open_coordinator(tmp_path, FOREVER, clock) as coordinator:
        now = time.gmtime(clock())
        hours = f"{(now.tm_hour + 2) % 24:02}:00-{(now.tm_hour + 3) % 24:02}:00"
        worker = FakeWorker(coordinator, "w1")
        async with worker.online(hours=hours):
            job_id = await coordinator.submit()
            (verdict,) = (await coordinator.operations.why(ADMIN, job_id)).workers
            assert verdict.reasons == [f"it takes jobs at {hours}"]
            await settled(coordinator)
            mock_clock.jump(3600.0 * 2)
            assert (await worker.take()).job_id == job_id


async def test_hours_that_are_none_are_refused(coordinator: Coordinator) -> None:
    with pytest.raises(BadInput, match="hours: expected days and times such as"):
        await FakeWorker(coordinator, "w1").register(hours="at night 7")
