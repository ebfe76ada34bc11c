"""What the coordinator does about silence: of a worker, of a client, of nobody who takes an offer."""

from pathlib import Path

import trio
import trio.testing

from dffmpeg.configuration.coordinator import CoordinatorConfig, Janitor, Leases, Retries
from tests.actors.coordinator.tree import (
    ADMIN,
    PATIENCE,
    Coordinator,
    FakeWorker,
    open_coordinator,
)

SHORT = 0.05


async def test_a_worker_that_falls_silent_loses_its_jobs(tmp_path: Path) -> None:
    leases = Leases(worker=60.0, worker_disconnect=SHORT)
    config = CoordinatorConfig(leases=leases, retries=Retries(backoff_minimum=0.001, backoff_maximum=0.001))
    async with open_coordinator(tmp_path, config) as coordinator:
        dying, other = FakeWorker(coordinator, "w1"), FakeWorker(coordinator, "w2")
        job_id = await coordinator.submit()
        async with dying.online():
            await dying.take()
        # Its connection was closed, and it does not come back.
        async with other.online():
            await other.finish(await other.take())
        record = await coordinator.until(job_id, "completed")
        assert (record.worker_id, record.attempt) == ("w2", 2)
        assert (await coordinator.operations.worker(ADMIN, "w1")).status == "offline"


async def test_an_attempt_without_a_word_is_lost(tmp_path: Path) -> None:
    config = CoordinatorConfig(retries=Retries(backoff_minimum=0.001, backoff_maximum=0.001))
    async with open_coordinator(tmp_path, config) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            # Of the attempt alone: the worker itself is to be online for as long as this takes.
            job_id = await coordinator.submit(max_attempts=1, lease=SHORT)
            await worker.take()
            record = await coordinator.until(job_id, "failed")
    assert record.reason is not None
    assert "1 of 1 attempts are used up" in record.reason


async def test_an_offer_that_nobody_accepts_goes_back(tmp_path: Path) -> None:
    config = CoordinatorConfig(janitor=Janitor(job_assignment_timeout=SHORT))
    async with open_coordinator(tmp_path, config) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            await coordinator.submit()
            with trio.fail_after(PATIENCE):
                first = await worker.requests.receive()
                second = await worker.requests.receive()
            assert (first.attempt, second.attempt) == (1, 2)


async def test_a_job_gives_up_when_its_submitter_said_so(coordinator: Coordinator) -> None:
    job_id = await coordinator.submit(pending_timeout=SHORT)
    record = await coordinator.until(job_id, "failed")
    assert record.reason == "no worker took it within 0.05 s"


async def test_a_job_ends_with_its_client(tmp_path: Path) -> None:
    config = CoordinatorConfig(leases=Leases(client_factor=1.5), janitor=Janitor(interval=SHORT))
    async with open_coordinator(tmp_path, config) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online(slots=1):
            attached = await coordinator.submit(monitor=True, heartbeat_interval=SHORT)
            request = await worker.take()
            queued = await coordinator.submit(monitor=True, heartbeat_interval=SHORT)
            detached = await coordinator.submit(heartbeat_interval=SHORT)
            record = await coordinator.until(attached, "canceling")
            assert record.reason == "its client has gone"
            assert (await coordinator.until(queued, "canceled")).reason == "its client has gone"
            await worker.finish(request, status="canceled", exit_code=255)
            await worker.finish(await worker.take())
            await coordinator.until(detached, "completed")
