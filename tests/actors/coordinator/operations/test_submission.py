"""What a submission may say of its job, and what becomes of it."""

import time
from typing import Any

import pytest
import trio

from dffmpeg.actors.coordinator.operations import Conflict
from dffmpeg.errors import BadInput
from dffmpeg.model.jobs import JobState
from dffmpeg.model.rules import Rules
from dffmpeg.wire.jobs import JobRecord, SubmitRequest
from tests.actors.coordinator.tree import ALICE, BOB, Coordinator, FakeWorker


async def test_all_that_is_said_is_in_the_record(coordinator: Coordinator) -> None:
    job_id = await coordinator.submit(
        name="the film",
        labels=["tv", "gpu", "tv"],
        priority=-7,
        size=12.5,
        assignment_timeout=1.0,
        lease=2.0,
        run_timeout=3.0,
        stall_timeout=4.0,
        retry_exit_codes=[69, 187, 69],
        retry_stderr=["device.*lost"],
        impossible="fail",
        retention=5.0,
    )
    record = await coordinator.operations.job(ALICE, job_id)
    assert (record.name, record.labels, record.priority, record.size) == ("the film", ["tv", "gpu"], -7, 12.5)
    assert record.rules == Rules(
        assignment_timeout=1.0,
        lease=2.0,
        run_timeout=3.0,
        stall_timeout=4.0,
        retry_exit_codes=(69, 187),
        retry_stderr=("device.*lost",),
        impossible="fail",
        retention=5.0,
    )


async def test_a_class_of_priority_has_to_be_known(coordinator: Coordinator) -> None:
    with pytest.raises(BadInput, match="priority: there is no class 'vip'"):
        await coordinator.submit(priority="vip")


async def test_a_start_is_not_before_its_time(coordinator: Coordinator, worker: FakeWorker) -> None:
    start = time.time() + 0.4
    late = await coordinator.submit(start_at=start, pending_timeout=30.0)
    now = await coordinator.submit(start_at=time.time() - 1000)
    assert (await worker.take()).job_id == now
    assert (await worker.take()).job_id == late
    assert time.time() >= start
    assert (await coordinator.operations.job(ALICE, late)).created_at < (
        await coordinator.operations.job(ALICE, late)
    ).last_update


async def test_a_thousand_submissions_with_one_key_are_one_job(coordinator: Coordinator) -> None:
    request = SubmitRequest(binary_name="ffmpeg", arguments=["-i", "a"], idempotency_key="night 7")
    records: list[JobRecord] = []

    async def submit() -> None:
        records.append(await coordinator.operations.submit(ALICE, request))

    async with trio.open_nursery() as nursery:
        for _ in range(1000):
            nursery.start_soon(submit)
    assert len(records) == 1000
    assert len({record.job_id for record in records}) == 1
    assert sum((await coordinator.services.store.jobs.counts()).values()) == 1


async def test_one_key_is_one_requester_s_and_one_work(coordinator: Coordinator, worker: FakeWorker) -> None:
    first = await coordinator.submit(idempotency_key="k", arguments=["a"])
    await worker.finish(await worker.take())
    # Also when it has ended.
    assert await coordinator.submit(idempotency_key="k", arguments=["a"], priority=9) == first
    assert await coordinator.submit(who=BOB, idempotency_key="k", arguments=["b"]) != first
    with pytest.raises(Conflict, match=f"job {first} was submitted with 'k' and differs in arguments"):
        await coordinator.submit(idempotency_key="k", arguments=["b"])
    with pytest.raises(Conflict, match="differs in run_timeout"):
        await coordinator.submit(idempotency_key="k", arguments=["a"], run_timeout=5.0)


async def test_a_caller_cannot_share_another_s_output(coordinator: Coordinator) -> None:
    fields: dict[str, Any] = {"idempotency_key": "k", "monitor": True, "job_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}
    first = await coordinator.submit(**fields)
    # The same submission once more, by whoever takes the call over.
    assert await coordinator.submit(**fields) == first
    with pytest.raises(Conflict, match="has its caller; attach to it instead"):
        await coordinator.submit(**{**fields, "job_id": "01ARZ3NDEKTSV4RRFFQ69G5FAW"})


async def test_a_repetition_needs_no_predecessors_any_more(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    first = await coordinator.submit()
    fields: dict[str, Any] = {
        "after": [first],
        "job_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "idempotency_key": "k",
    }
    second = await coordinator.submit(**fields)
    await worker.finish(await worker.take())
    await coordinator.until(first, "completed")
    assert await coordinator.services.store.jobs.delete(first)
    assert await coordinator.submit(**fields) == second
    assert await coordinator.submit(**{**fields, "job_id": None}) == second
    with pytest.raises(BadInput, match=f"after: there is no job {first}"):
        await coordinator.submit(after=[first])


async def test_jobs_are_found_by_name_label_and_state(coordinator: Coordinator, worker: FakeWorker) -> None:
    one = await coordinator.submit(name="Film one", labels=["tv"])
    two = await coordinator.submit(name="Film two", labels=["tv", "gpu"])
    requests = {request.job_id: request for request in (await worker.take(), await worker.take())}
    await worker.finish(requests[one])
    await coordinator.until(one, "completed")

    async def found(**wanted: Any) -> set[str]:
        records = await coordinator.operations.jobs(
            ALICE,
            window=3600.0,
            since_id=None,
            limit=10,
            **wanted,
        )
        return {record.job_id for record in records}

    assert await found(name="film*") == {one, two}
    assert await found(name="*two") == {two}
    assert await found(labels=["tv", "gpu"]) == {two}
    assert await found(labels=["tv"], name="film one") == {one}
    assert await found(labels=["tv"], states=[JobState.RUNNING]) == {two}


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (SubmitRequest(binary_name="sh"), "binary_name: 'sh' is not allowed here; allowed: ffmpeg, ffprobe"),
        (SubmitRequest(binary_name="ffmpeg", arguments=["a\0"]), r"arguments\[0\]: a NUL byte"),
        (SubmitRequest(binary_name="ffmpeg", arguments=["a"] * 20_001), "at most 20000"),
        (SubmitRequest(binary_name="ffmpeg", arguments=["\x01" * 200_000]), "arguments: too much altogether"),
        (SubmitRequest(binary_name="ffmpeg", supported_transports=["pigeon"]), "enabled: .*websocket"),
    ],
)
async def test_submissions_that_do_not_fit(
    coordinator: Coordinator, request_: SubmitRequest, says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        await coordinator.operations.submit(ALICE, request_)
