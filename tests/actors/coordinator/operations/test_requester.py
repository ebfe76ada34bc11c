"""Who may ask for what, and what is told to those who ask."""

import pytest

from dffmpeg.actors.coordinator.operations import Forbidden, NotFound
from dffmpeg.wire.jobs import AttemptReport, FinishReport, JobRecord, Position, SubmitRequest
from dffmpeg.wire.workers import RegisterRequest
from tests.actors.coordinator.tree import (
    ADMIN,
    ALICE,
    BOB,
    PATIENCE,
    Coordinator,
    FakeWorker,
)


async def test_who_may_do_what(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await coordinator.submit()
    operations = coordinator.operations
    await worker.take()
    for who in (BOB, FakeWorker(coordinator, "w9").who):
        with pytest.raises(Forbidden):
            await operations.job(who, job_id)
        with pytest.raises(Forbidden):
            await operations.cancel(who, job_id)
        with pytest.raises(Forbidden):
            await operations.follow(who, job_id, Position())
    for who in (ALICE, ADMIN):
        with pytest.raises(Forbidden):
            await operations.accept(who, job_id, AttemptReport())
        with pytest.raises(Forbidden):
            await operations.output(who, job_id, [])
        with pytest.raises(Forbidden):
            await operations.register(who, RegisterRequest(worker_id=who.client_id))
        assert (await operations.job(who, job_id)).job_id == job_id
    with pytest.raises(Forbidden):
        await operations.register(worker.who, RegisterRequest(worker_id="w2"))
    with pytest.raises(Forbidden):
        await operations.submit(worker.who, SubmitRequest(binary_name="ffmpeg"))
    with pytest.raises(Forbidden):
        await operations.run_janitor(ALICE, "run_all")
    assert (await operations.job(worker.who, job_id)).worker_id == "w1"
    assert [record.job_id for record in await list_jobs(coordinator, ADMIN)] == [job_id]
    assert await list_jobs(coordinator, BOB) == []


async def list_jobs(coordinator: Coordinator, who: object) -> list[JobRecord]:
    return await coordinator.operations.jobs(who, window=3600, since_id=None, limit=10)  # type: ignore[arg-type]


async def test_what_is_not_there(coordinator: Coordinator) -> None:
    for ask in (coordinator.operations.job, coordinator.operations.cancel):
        with pytest.raises(NotFound, match="no job nowhere"):
            await ask(ALICE, "nowhere")
    with pytest.raises(NotFound):
        await coordinator.operations.follow(ALICE, "nowhere", Position())
    with pytest.raises(NotFound):
        await coordinator.operations.worker(ADMIN, "nowhere")


async def test_a_poll_hands_out_each_message_once(coordinator: Coordinator) -> None:
    worker = FakeWorker(coordinator, "w1")
    operations = coordinator.operations
    await worker.register(supported_transports=["http_polling"], running=None)
    [verify] = await operations.poll_worker(worker.who, last=None, wait=PATIENCE)
    await operations.verify(worker.who, "w1", verify.payload["registration_token"])
    job_id = await coordinator.submit()
    [offer] = await operations.poll_worker(worker.who, last=verify.message_id, wait=PATIENCE)
    assert (offer.message_type, offer.payload["job_id"]) == ("job_request", job_id)
    # An older worker names no attempt.
    await operations.accept(worker.who, job_id, AttemptReport())
    assert await operations.poll_worker(worker.who, last=offer.message_id, wait=0.0) == []
    await operations.finish(worker.who, job_id, FinishReport(status="completed", exit_code=0))
    await coordinator.until(job_id, "completed")


async def test_a_requester_that_polls_is_told_each_change(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await coordinator.submit(supported_transports=["http_polling"])
    await worker.finish(await worker.take())
    gone = await coordinator.submit(supported_transports=["http_polling"], binary_name="ffprobe", paths=["X"])
    await coordinator.operations.cancel(ALICE, gone)
    seen: dict[str, list[str]] = {job_id: [], gone: []}
    last: dict[str, str | None] = {job_id: None, gone: None}
    for name, count in ((job_id, 3), (gone, 1)):
        while len(seen[name]) < count:
            messages = await coordinator.operations.poll_job(ALICE, name, last=last[name], wait=PATIENCE)
            assert messages
            seen[name] += [message.payload["status"] for message in messages]
            last[name] = messages[-1].message_id
    assert seen == {job_id: ["assigned", "running", "completed"], gone: ["canceled"]}
    with pytest.raises(Forbidden):
        await coordinator.operations.poll_job(BOB, job_id, last=None, wait=0.0)


async def test_what_the_dashboard_shows(coordinator: Coordinator, worker: FakeWorker) -> None:
    await coordinator.submit()
    await worker.take()
    await coordinator.submit(binary_name="ffprobe", paths=["Nowhere"])
    overview = await coordinator.operations.overview(3600.0)
    assert overview["counts"] == {"running": 1, "pending": 1}
    assert overview["worker_load"] == {"w1": 1}
    health = await coordinator.operations.health(deep=True)
    assert (health["status"], health["databases"]) == ("online", {"default": "online"})
    assert set(health["transports"]) == {"websocket", "http_polling"}
