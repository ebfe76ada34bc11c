"""Jobs that come after others, through the coordinator's real tree."""

import time
from pathlib import Path

import pytest

from dffmpeg.actors.coordinator.operations import Forbidden
from dffmpeg.errors import BadInput
from dffmpeg.model import transitions
from dffmpeg.store import schema
from tests.actors.coordinator.tree import ADMIN, ALICE, BOB, Coordinator, FakeWorker, open_coordinator


async def test_a_chain_runs_in_its_order(coordinator: Coordinator, worker: FakeWorker) -> None:
    first = await coordinator.submit()
    second = await coordinator.submit(after=[first])
    third = await coordinator.submit(after=[second, first, second])
    record = await coordinator.operations.job(ALICE, third)
    assert (record.status, record.after, record.blocked) == ("pending", [second, first], 2)
    for job_id in (first, second, third):
        request = await worker.take()
        assert request.job_id == job_id
        await worker.finish(request)
    assert (await coordinator.until(third, "completed")).blocked == 0


async def test_a_diamond_waits_for_both_sides(coordinator: Coordinator, worker: FakeWorker) -> None:
    top = await coordinator.submit()
    left, right = await coordinator.submit(after=[top]), await coordinator.submit(after=[top])
    bottom = await coordinator.submit(after=[left, right])
    await worker.finish(await worker.take())
    sides = [await worker.take(), await worker.take()]
    assert {each.job_id for each in sides} == {left, right}
    await worker.finish(sides[0])
    assert (await coordinator.operations.job(ALICE, bottom)).status == "pending"
    await worker.finish(sides[1])
    assert (await worker.take()).job_id == bottom


@pytest.mark.parametrize(("status", "word"), [("failed", "failed"), ("canceled", "was canceled")])
async def test_what_comes_after_a_failure_fails_down_the_line(
    coordinator: Coordinator, worker: FakeWorker, status: str, word: str
) -> None:
    first = await coordinator.submit()
    request = await worker.take()
    chain = [first]
    for _ in range(5):
        chain.append(await coordinator.submit(after=chain[-1:]))
    wide = [await coordinator.submit(after=chain[1:2]) for _ in range(150)]
    if status == "canceled":
        await coordinator.operations.cancel(ALICE, first)
    await worker.finish(request, status=status, exit_code=1)
    last = await coordinator.until(chain[-1], "failed")
    assert last.reason == f"job {chain[-2]} failed, and this one was to come after it"
    assert last.attempt == 0
    second = await coordinator.until(chain[1], "failed")
    assert second.reason == f"job {first} {word}, and this one was to come after it"
    for job_id in wide:
        assert (await coordinator.until(job_id, "failed")).reason is not None


async def test_one_that_comes_too_late(coordinator: Coordinator, worker: FakeWorker) -> None:
    first = await coordinator.submit()
    await worker.finish(await worker.take(), status="failed", exit_code=1)
    await coordinator.until(first, "failed")
    late = await coordinator.submit(after=[first])
    record = await coordinator.operations.job(ALICE, late)
    assert (record.status, record.reason) == (
        "failed",
        f"job {first} failed, and this one was to come after it",
    )


async def test_only_one_s_own_jobs_can_be_named(coordinator: Coordinator) -> None:
    first = await coordinator.submit(who=ALICE)
    with pytest.raises(BadInput, match="after: there is no job nobody"):
        await coordinator.submit(after=["nobody"])
    with pytest.raises(Forbidden, match=f"after: job {first} is not yours"):
        await coordinator.submit(who=BOB, after=[first])
    record = await coordinator.operations.job(ADMIN, await coordinator.submit(who=ADMIN, after=[first]))
    assert record.blocked == 1
    own = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    with pytest.raises(BadInput, match="after: a job cannot come after itself"):
        await coordinator.submit(job_id=own, after=[own])


async def test_a_waiting_job_can_be_canceled(coordinator: Coordinator, worker: FakeWorker) -> None:
    first = await coordinator.submit()
    second = await coordinator.submit(after=[first])
    third = await coordinator.submit(after=[second])
    await coordinator.operations.cancel(ALICE, second)
    assert "was canceled" in str((await coordinator.until(third, "failed")).reason)
    await worker.finish(await worker.take())
    assert (await coordinator.until(first, "completed")).exit_code == 0


async def end_without_a_word(coordinator: Coordinator, job_id: str) -> None:
    """As a coordinator leaves it that dies between the commit and telling anybody."""
    store = coordinator.services.store.jobs
    job = await store.get(job_id)
    assert job is not None
    assert await store.apply(transitions.request_cancel(job, time.time(), "gone"))


async def test_what_was_committed_is_seen_after_a_crash(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        first = await coordinator.submit()
        second = await coordinator.submit(after=[first])
        third = await coordinator.submit(after=[second])
        await end_without_a_word(coordinator, first)
        assert (await coordinator.operations.job(ALICE, second)).status == "pending"
    async with open_coordinator(tmp_path) as coordinator:
        await coordinator.until(second, "failed")
        await coordinator.until(third, "failed")


async def test_the_janitor_sees_what_nobody_was_told(coordinator: Coordinator) -> None:
    first = await coordinator.submit()
    second = await coordinator.submit(after=[first])
    await end_without_a_word(coordinator, first)
    assert (await coordinator.operations.job(ALICE, second)).status == "pending"
    await coordinator.operations.run_janitor(ADMIN, "successors")
    await coordinator.until(second, "failed")


async def test_the_janitor_frees_what_was_miscounted(coordinator: Coordinator, worker: FakeWorker) -> None:
    first = await coordinator.submit()
    await worker.finish(await worker.take())
    await coordinator.until(first, "completed")
    second = await coordinator.submit(start_at=time.time() + 3600)
    # Somebody else's hands in the database.
    row = schema.job_predecessors.insert().values(job_id=second, predecessor_id=first)
    blocked = schema.jobs.update().values(blocked=1, not_before=None)
    database = coordinator.services.store.jobs.database  # type: ignore[attr-defined]
    await database.write(lambda c: (c.execute(row), c.execute(blocked)))
    run = await coordinator.operations.run_janitor(ADMIN, "successors")
    assert run.result["jobs_healed"] > 0
    assert (await worker.take()).job_id == second
