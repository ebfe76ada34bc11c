"""A job's requester goes, or only seems to."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from dffmpeg.actors.coordinator.operations import Ear
from dffmpeg.configuration.coordinator import CoordinatorConfig, Leases
from dffmpeg.wire.jobs import Position
from tests.actors.coordinator.tree import ALICE, PATIENCE, Coordinator, FakeWorker, open_coordinator

SHORT = 0.05


@pytest.fixture
def impatient() -> CoordinatorConfig:
    return CoordinatorConfig(leases=Leases(client_disconnect=SHORT))


async def follow_and_leave(coordinator: Coordinator, job_id: str, ear: Ear, *, gone: bool) -> None:
    await coordinator.operations.follow(ALICE, job_id, Position(), ear)
    coordinator.operations.left(job_id, ear, gone=gone)


async def test_a_job_whose_owner_is_gone_is_killed(tmp_path: Any, impatient: CoordinatorConfig) -> None:
    async with open_coordinator(tmp_path, impatient) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            job_id = await coordinator.submit(monitor=True)
            request = await worker.take()
            await follow_and_leave(coordinator, job_id, Ear(1, {}), gone=True)
            record = await coordinator.until(job_id, "canceling")
            assert record.reason == "its client has gone"
            with trio.fail_after(PATIENCE):
                status = await worker.statuses.receive()
            assert (status["status"], status["kill"]) == ("canceling", True)
            await worker.finish(request, "canceled")


@pytest.mark.parametrize("how", ["the coordinator stops", "another connection is open", "it comes back"])
async def test_a_job_whose_owner_is_not_gone(tmp_path: Any, impatient: CoordinatorConfig, how: str) -> None:
    async with open_coordinator(tmp_path, impatient) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            job_id = await coordinator.submit(monitor=True)
            request = await worker.take()
            if how == "another connection is open":
                await coordinator.operations.follow(ALICE, job_id, Position(), Ear(2, {}))
            await follow_and_leave(coordinator, job_id, Ear(1, {}), gone=how != "the coordinator stops")
            if how == "it comes back":
                await coordinator.operations.follow(ALICE, job_id, Position(), Ear(3, {}))
            # A later job's owner is gone: when that is noticed, the first one's time is up too.
            other = await coordinator.submit(monitor=True)
            await worker.take()
            await follow_and_leave(coordinator, other, Ear(9, {}), gone=True)
            await coordinator.until(other, "canceling")
            assert (await coordinator.operations.job(ALICE, job_id)).status == "running"
            await worker.finish(request)
