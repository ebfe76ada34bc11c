"""Reserved slots that the cluster does not have, and jobs that may not start: in the real tree."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.actors.coordinator.scheduling import config, settled
from tests.actors.coordinator.tree import ADMIN, ALICE, Coordinator, FakeWorker, open_coordinator

SAID = (
    "scheduling.reserved: 4 slots are reserved, and the workers that take jobs have 2:"
    " 1 of them are kept, one is left to everybody"
)


async def test_more_than_there_is_keeps_nobody_waiting_for_ever(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_coordinator(tmp_path, config(reserved={"high": 4})) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online(slots=2):
            first, second = await coordinator.submit(), await coordinator.submit()
            request = await worker.take()
            assert request.job_id == first
            explained = await coordinator.operations.why(ADMIN, second)
            assert explained.waits_for == ["1 slots are free, and 1 are kept for higher priorities"]
            assert (await coordinator.operations.cluster(ADMIN, 60.0)).alerts == [SAID]
            await worker.finish(request)
            assert (await worker.take()).job_id == second
            await settled(coordinator)
    assert [record.message for record in caplog.records].count(SAID) == 1


async def test_a_job_that_may_not_start_goes_nowhere_yet(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    later = await coordinator.submit(start_at=time.time() + 3600)
    explained = await coordinator.operations.why(ALICE, later)
    assert (explained.may_start, explained.choice, explained.otherwise) == (False, None, "w1")
    (verdict,) = explained.workers
    assert (verdict.suitable, verdict.has_room, verdict.takes) == (True, True, False)
    await coordinator.operations.pause_queue(ADMIN, "tonight")
    now = await coordinator.submit()
    explained = await coordinator.operations.why(ALICE, now)
    assert (explained.may_start, explained.waits_for) == (False, ["the queue is paused"])
    state = await coordinator.operations.queue_state(ALICE)
    assert (state.paused, state.reason) == (True, "tonight")
