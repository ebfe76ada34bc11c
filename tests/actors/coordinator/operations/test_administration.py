"""What administrators do with jobs and workers, through the coordinator's real tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import trio

from dffmpeg.actors.coordinator.operations import Conflict, Forbidden, NotFound
from dffmpeg.model.identities import Identity
from dffmpeg.model.jobs import Attempt, JobState
from dffmpeg.wire import bytestring
from dffmpeg.wire.administration import RetryRequest
from dffmpeg.wire.jobs import Descriptor, JobRecord, Launch
from tests.actors.coordinator.tree import ADMIN, ALICE, BOB, PATIENCE, Coordinator, FakeWorker

AGAIN = RetryRequest()
ULID = "01HZZZZZZZZZZZZZZZZZZZZZZZ"


async def failed(coordinator: Coordinator, worker: FakeWorker, **fields: Any) -> str:
    job_id = await coordinator.submit(**fields)
    await worker.finish(await worker.take(), status="failed", exit_code=7)
    return job_id


def request_of(record: JobRecord) -> Mapping[str, Any]:
    names = ("requester_id", "binary_name", "arguments", "paths", "working_directory", "client_paths")
    return {name: getattr(record, name) for name in (*names, "heartbeat_interval", "max_attempts", "rules")}


async def test_a_retry_is_a_new_job_with_the_same_request(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    launch = Launch(umask=0o27, descriptors=[Descriptor(number=0, kind="terminal")])
    job_id = await failed(
        coordinator, worker, arguments=["-i", bytestring.to_wire(b"\xff"), "x"], launch=launch, monitor=True
    )
    before = await coordinator.operations.job(ADMIN, job_id)
    record = await coordinator.operations.retry(ADMIN, job_id, AGAIN)
    assert record.job_id != job_id
    assert (record.retry_of, record.status, record.attempt, record.monitor) == (job_id, "pending", 0, False)
    assert request_of(record) == request_of(before)
    request = await worker.take()
    assert (request.job_id, request.attempt, request.arguments) == (record.job_id, 1, before.arguments)
    assert request.launch == Launch(umask=0o27, descriptors=[Descriptor(number=0, kind="null")])
    # The first one is told by nobody that there is another.
    assert await coordinator.operations.job(ADMIN, job_id) == before


async def test_its_requester_may_retry_a_job_and_others_may_not(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await failed(coordinator, worker)
    with pytest.raises(Forbidden):
        await coordinator.operations.retry(BOB, job_id, AGAIN)
    assert (await coordinator.operations.retry(ALICE, job_id, AGAIN)).requester_id == "alice"
    with pytest.raises(NotFound):
        await coordinator.operations.retry(ADMIN, "nobody", AGAIN)


async def test_what_has_not_ended_is_not_retried(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await coordinator.submit()
    await worker.take()
    with pytest.raises(Conflict, match="running"):
        await coordinator.operations.retry(ADMIN, job_id, AGAIN)


async def test_a_retry_that_is_repeated_is_one(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id, other = await failed(coordinator, worker), await failed(coordinator, worker)
    named = RetryRequest(job_id=ULID)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(coordinator.operations.retry, ADMIN, job_id, named)
    assert (await coordinator.operations.retry(ADMIN, job_id, named)).job_id == ULID
    with pytest.raises(Conflict, match="another job"):
        await coordinator.operations.retry(ADMIN, other, named)


@pytest.mark.parametrize(
    ("arguments", "descriptor", "possible"),
    [
        (["-i", "x"], Descriptor(number=0, kind="pipe"), True),
        (["-i", "-"], Descriptor(number=0, kind="pipe"), False),
        (["-i", "pipe:0"], Descriptor(number=0, kind="terminal"), False),
        (["-i", "-"], Descriptor(number=0, kind="null"), True),
        (["-i", "pipe:3"], Descriptor(number=3, kind="pipe"), False),
        (["-i", "x", "pipe:3"], Descriptor(number=3, kind="pipe", direction="out"), True),
    ],
)
async def test_input_that_was_not_kept_cannot_be_repeated(
    coordinator: Coordinator,
    worker: FakeWorker,
    arguments: list[str],
    descriptor: Descriptor,
    possible: bool,
) -> None:
    launch = Launch(descriptors=[descriptor])
    job_id = await failed(coordinator, worker, arguments=arguments, launch=launch, monitor=True)
    if possible:
        await coordinator.operations.retry(ADMIN, job_id, AGAIN)
        return
    with pytest.raises(Conflict, match="call again"):
        await coordinator.operations.retry(ADMIN, job_id, AGAIN)


async def test_a_pending_job_s_priority_can_be_changed(coordinator: Coordinator) -> None:
    job_id = await coordinator.submit()
    assert (await coordinator.operations.set_priority(ADMIN, job_id, 50)).priority == 50
    assert (await coordinator.operations.set_priority(ALICE, job_id, 20)).priority == 20
    with pytest.raises(Forbidden, match="only an administrator"):
        await coordinator.operations.set_priority(ALICE, job_id, 21)
    with pytest.raises(Forbidden, match="not yours"):
        await coordinator.operations.set_priority(BOB, job_id, -1)
    with pytest.raises(NotFound):
        await coordinator.operations.set_priority(ADMIN, "nobody", 1)
    assert (await coordinator.operations.job(ADMIN, job_id)).priority == 20


async def test_a_job_that_runs_has_no_use_for_a_priority(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await coordinator.submit()
    await worker.take()
    with pytest.raises(Conflict, match="running"):
        await coordinator.operations.set_priority(ADMIN, job_id, 50)


async def test_what_has_ended_can_be_purged_by_administrators(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await coordinator.submit()
    with pytest.raises(Conflict, match="only one that has ended"):
        await coordinator.operations.purge(ADMIN, job_id)
    await worker.finish(await worker.take())
    with pytest.raises(Forbidden):
        await coordinator.operations.purge(ALICE, job_id)
    await coordinator.operations.purge(ADMIN, job_id)
    with pytest.raises(NotFound):
        await coordinator.operations.purge(ADMIN, job_id)
    attempts: list[Attempt] = list(await coordinator.services.store.jobs.attempts(job_id))
    assert attempts == []


async def test_a_worker_that_is_offline_can_be_removed_and_may_come_back(coordinator: Coordinator) -> None:
    worker = FakeWorker(coordinator, "w1")
    async with worker.online():
        with pytest.raises(Conflict, match="online"):
            await coordinator.operations.remove_worker(ADMIN, "w1")
        with pytest.raises(Forbidden):
            await coordinator.operations.remove_worker(worker.who, "w1")
        await coordinator.operations.deregister(worker.who, "w1")
    await coordinator.operations.remove_worker(ADMIN, "w1")
    with pytest.raises(NotFound):
        await coordinator.operations.remove_worker(ADMIN, "w1")
    assert await coordinator.operations.workers(ADMIN, window=PATIENCE) == []
    async with worker.online():
        assert [one.status for one in await coordinator.operations.workers(ADMIN, window=60)] == ["online"]


async def test_the_overview(coordinator: Coordinator, worker: FakeWorker) -> None:
    lost = await failed(coordinator, worker)
    running = await coordinator.submit()
    await worker.take()
    overview = await coordinator.operations.cluster(ADMIN, 60.0)
    assert (overview.status, overview.databases) == ("online", {"default": "online"})
    assert {name: count for name, count in overview.counts.items() if count} == {"running": 1, "failed": 1}
    assert [job.job_id for job in overview.live] == [running]
    assert [job.job_id for job in overview.failed] == [lost]
    assert [(one.worker_id, one.used_slots) for one in overview.workers] == [("w1", 1)]
    with pytest.raises(Forbidden):
        await coordinator.operations.cluster(ALICE, 60.0)


@pytest.mark.parametrize(("who", "requester", "seen"), [(ADMIN, "bob", 1), (ADMIN, None, 2), (BOB, "bob", 1)])
async def test_a_list_is_narrowed(
    coordinator: Coordinator, who: Identity, requester: str | None, seen: int
) -> None:
    await coordinator.submit()
    await coordinator.submit(BOB)

    async def count(**narrowed: Any) -> int:
        return len(await coordinator.operations.jobs(who, window=60, since_id=None, limit=10, **narrowed))

    assert await count(requester=requester) == seen
    assert await count(requester=requester, states=[JobState.RUNNING]) == 0
    with pytest.raises(Forbidden):
        await coordinator.operations.jobs(ALICE, window=60, since_id=None, limit=10, requester="bob")
