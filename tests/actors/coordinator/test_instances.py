"""Two processes with one identity, in the coordinator's real tree."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from dffmpeg.actors.coordinator.operations import Conflict
from dffmpeg.wire.jobs import AttemptReport
from tests.actors.coordinator.scheduling import settled
from tests.actors.coordinator.tree import ADMIN, PATIENCE, Coordinator, FakeWorker

REFUSED = "another process is worker w1"


async def state(coordinator: Coordinator) -> str:
    return (await coordinator.operations.worker(ADMIN, "w1")).status


async def test_a_second_process_is_refused_and_changes_nothing(coordinator: Coordinator) -> None:
    first, second = FakeWorker(coordinator, "w1"), FakeWorker(coordinator, "w1")
    async with first.online(instance="A"):
        job_id = await coordinator.submit()
        request = await first.take()
        operations = coordinator.operations
        with pytest.raises(Conflict, match=f"{REFUSED}: stop one of them"):
            await second.register(instance="B", running=[])
        with pytest.raises(Conflict, match=REFUSED):
            await operations.deregister(second.who, "w1", "B")
        with pytest.raises(Conflict, match=REFUSED):
            async with operations.downlink(second.who, "w1", "B"):
                raise AssertionError("it must not listen")
        with pytest.raises(Conflict, match=REFUSED):
            await operations.poll_worker(second.who, last=None, wait=0.0, instance="B")
        assert await state(coordinator) == "online"
        assert (await first.register(instance="A")).status == "online"
        await first.finish(request)
        assert (await coordinator.until(job_id, "completed")).attempt == 1


async def test_one_that_was_started_again_takes_over_at_once(coordinator: Coordinator) -> None:
    first, second = FakeWorker(coordinator, "w1"), FakeWorker(coordinator, "w1")
    async with first.online(instance="A"):
        job_id = await coordinator.submit()
        await first.take()
    # Its connection is closed, which is all that a process can say that was killed.
    async with second.online(instance="B"):
        request = await second.take()
        assert (request.job_id, request.attempt) == (job_id, 2)
        with pytest.raises(Conflict, match=REFUSED):
            await first.register(instance="A")
        await second.finish(request)
    await coordinator.until(job_id, "completed")


async def test_the_lock_shows_that_the_first_one_is_gone(coordinator: Coordinator) -> None:
    """One that polls has no connection that anybody could see the end of."""
    first, second = FakeWorker(coordinator, "w1"), FakeWorker(coordinator, "w1")
    operations, polling = coordinator.operations, {"supported_transports": ["http_polling"]}
    reply = await first.register(instance="A", sole_on="lock", **polling)
    assert reply.transport_metadata["path"] == "/poll/worker/A"
    [verify] = await operations.poll_worker(first.who, last=None, wait=PATIENCE, instance="A")
    await operations.verify(first.who, "w1", verify.payload["registration_token"])
    job_id = await coordinator.submit()
    await coordinator.until(job_id, "assigned")
    await operations.accept(first.who, job_id, AttemptReport(attempt=1))
    with pytest.raises(Conflict, match=REFUSED):
        await second.register(instance="B", sole_on="another", **polling)
    async with second.online(instance="B", sole_on="lock"):
        assert (await second.take()).attempt == 2
        (attempt, _) = await operations.attempts(ADMIN, job_id)
        assert attempt.reason == "w1 was started anew"
        with pytest.raises(Conflict, match=REFUSED):
            await operations.poll_worker(first.who, last=None, wait=0.0, instance="A")


async def test_a_lease_that_ends_lets_the_next_one_in(
    coordinator: Coordinator, mock_clock: MockClock
) -> None:
    first, second = FakeWorker(coordinator, "w1"), FakeWorker(coordinator, "w1")
    async with first.online(instance="A"):
        with pytest.raises(Conflict, match=REFUSED):
            await second.register(instance="B", running=[])
        await settled(coordinator)
        mock_clock.jump(61.0)
        await settled(coordinator)
        assert (await second.register(instance="B", running=[])).status == "registering"


async def test_it_lets_go_when_it_leaves(coordinator: Coordinator) -> None:
    first, second = FakeWorker(coordinator, "w1"), FakeWorker(coordinator, "w1")
    async with first.online(instance="A"):
        await coordinator.operations.deregister(first.who, "w1", "A")
        assert (await second.register(instance="B")).status == "registering"
