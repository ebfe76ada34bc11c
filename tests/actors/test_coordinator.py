"""The life of jobs through the coordinator's real tree."""

from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from dffmpeg.actors.coordinator.operations import Conflict, Forbidden, NotFound
from dffmpeg.configuration.coordinator import CoordinatorConfig, Streams
from dffmpeg.errors import BadInput
from dffmpeg.wire.frames import MAX_PAYLOAD, Frame, Kind
from dffmpeg.wire.jobs import AttemptReport, FinishReport, JobRecord, Position, SubmitRequest
from dffmpeg.wire.workers import RegisterRequest
from tests.actors.coordinator import (
    ADMIN,
    ALICE,
    BOB,
    PATIENCE,
    Coordinator,
    FakeWorker,
    advanced,
    open_coordinator,
)


def output(request_attempt: int, kind: Kind, offset: int, data: bytes, **fields: object) -> Frame:
    return Frame(kind, request_attempt, offset, data, **fields)  # type: ignore[arg-type]


async def read_all(coordinator: Coordinator, job_id: str) -> tuple[bytes, bytes, JobRecord]:
    """Follow a job to its end as an onlooker does."""
    cursor, streams = Position(wait=PATIENCE), {Kind.STDOUT: b"", Kind.STDERR: b""}
    ended: set[Kind] = set()
    with trio.fail_after(PATIENCE):
        while True:
            for frame in await coordinator.operations.follow(ALICE, job_id, cursor):
                if frame.kind is Kind.STATUS:
                    record = msgspec.json.decode(frame.payload, type=JobRecord)
                    if record.finished and len(ended) == 2:
                        return streams[Kind.STDOUT], streams[Kind.STDERR], record
                    cursor = msgspec.structs.replace(cursor, status=record.status, attempt=frame.attempt)
                else:
                    streams[frame.kind] += frame.payload
                    ended |= {frame.kind} if frame.eof else set()
                    cursor = advanced(cursor, frame)


async def test_from_submission_to_completion(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await coordinator.submit(arguments=["-i", "a b"], working_directory="/tmp")
    request = await worker.take()
    assert (request.job_id, request.attempt, request.arguments) == (job_id, 1, ["-i", "a b"])
    reply = await coordinator.operations.output(
        worker.who,
        job_id,
        [output(1, Kind.STDOUT, 0, b"out"), output(1, Kind.STDERR, 0, b"\xff\r\n", eof=True)],
    )
    assert (reply.stdout.received, reply.stdout.acked, reply.stderr.received) == (3, 3, 3)
    await worker.finish(request, exit_code=3, status="failed", stdout=3, stderr=3)
    stdout, stderr, record = await read_all(coordinator, job_id)
    assert (stdout, stderr) == (b"out", b"\xff\r\n")
    assert (record.status, record.exit_code, record.worker_id, record.attempt) == ("failed", 3, "w1", 1)
    # Its actor is gone: a job that has ended is a row.
    assert coordinator.services.jobs.find(job_id) is None


async def test_a_job_waits_until_a_worker_comes(coordinator: Coordinator) -> None:
    job_id = await coordinator.submit()
    late = FakeWorker(coordinator, "late")
    async with late.online():
        request = await late.take()
        await late.finish(request)
    assert (await coordinator.until(job_id, "completed")).worker_id == "late"


async def test_slots_are_never_exceeded(coordinator: Coordinator, worker: FakeWorker) -> None:
    jobs = [await coordinator.submit() for _ in range(5)]
    first, second = await worker.take(), await worker.take()
    assert {first.job_id, second.job_id} == set(jobs[:2])
    with pytest.raises(trio.WouldBlock):
        worker.requests.receive_nowait()
    await worker.finish(first)
    assert (await worker.take()).job_id == jobs[2]


async def test_a_report_on_a_finished_job_changes_nothing(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await coordinator.submit()
    request = await worker.take()
    await worker.finish(request)
    before = await coordinator.until(job_id, "completed")
    operations, report = coordinator.operations, AttemptReport(attempt=1)
    with pytest.raises(Conflict):
        await worker.finish(request, status="failed", exit_code=1)
    for late in (operations.accept, operations.reject, operations.worker_heartbeat):
        with pytest.raises(Conflict):
            await late(worker.who, job_id, report)
    with pytest.raises(Conflict):
        await operations.output(worker.who, job_id, [output(1, Kind.STDERR, 0, b"late")])
    assert await operations.job(ALICE, job_id) == before


async def test_a_stale_attempt_can_change_nothing(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await coordinator.submit()
    stale = await worker.take()
    other = FakeWorker(coordinator, "w2")
    async with other.online():
        await coordinator.operations.reject(worker.who, job_id, AttemptReport(attempt=1, reason="dying"))
        fresh = await other.take()
        assert fresh.attempt == 2
        for who in (worker, other):
            with pytest.raises(Conflict):
                await coordinator.operations.output(who.who, job_id, [output(1, Kind.STDERR, 0, b"x")])
            with pytest.raises(Conflict):
                await coordinator.operations.finish(
                    who.who, job_id, FinishReport(status="failed", exit_code=1, attempt=1)
                )
        with pytest.raises(Conflict):
            await worker.finish(stale)
        await other.finish(fresh)
    record = await coordinator.until(job_id, "completed")
    assert (record.worker_id, record.attempt) == ("w2", 2)


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


async def test_canceling_in_each_state(coordinator: Coordinator, worker: FakeWorker) -> None:
    operations = coordinator.operations
    running = await coordinator.submit()
    request = await worker.take()
    await operations.cancel(ALICE, running)
    assert (await coordinator.until(running, "canceling")).reason == "canceled by alice"
    # A second request is no error, and the process's own end does not change how it ends.
    await operations.cancel(ALICE, running)
    await worker.finish(request, status="completed", exit_code=255)
    ended = await coordinator.until(running, "canceled")
    assert (ended.exit_code, ended.reason) == (255, "canceled by alice")
    assert (await operations.cancel(ALICE, running)).detail == "the job is canceled already"

    offered = await coordinator.submit()
    with trio.fail_after(PATIENCE):
        offer = await worker.requests.receive()
    await operations.cancel(ALICE, offered)
    await coordinator.until(offered, "canceled")
    with pytest.raises(Conflict):
        await operations.accept(worker.who, offered, AttemptReport(attempt=offer.attempt))

    waiting = await coordinator.submit(binary_name="ffprobe", paths=["Nowhere"])
    await operations.cancel(ALICE, waiting)
    await coordinator.until(waiting, "canceled")


async def test_the_owner_s_pace_rules(tmp_path: Path) -> None:
    config = CoordinatorConfig(streams=Streams(window=1000))
    async with open_coordinator(tmp_path, config) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            job_id = await coordinator.submit(monitor=True)
            await worker.take()
            operations = coordinator.operations
            half = output(1, Kind.STDOUT, 0, b"x" * 600)
            assert (await operations.output(worker.who, job_id, [half])).stdout.acked == 0
            answered = trio.Event()

            async def send_more() -> None:
                rest = output(1, Kind.STDOUT, 600, b"y" * 600)
                reply = await operations.output(worker.who, job_id, [rest])
                assert (reply.stdout.received, reply.stdout.acked) == (1200, 900)
                answered.set()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send_more)
                cursor = Position(attempt=1, status="running", owner=True, wait=PATIENCE, stdout=600)
                assert (await operations.follow(ALICE, job_id, cursor))[0].payload == b"y" * 600
                # An onlooker's position does not move the window, the owner's does.
                await operations.acknowledge(ALICE, job_id, Position(attempt=1, stdout=1200))
                assert not answered.is_set()
                await operations.acknowledge(ALICE, job_id, Position(attempt=1, stdout=900, owner=True))


async def test_no_more_than_a_window_and_a_request_is_taken(tmp_path: Path) -> None:
    config = CoordinatorConfig(streams=Streams(window=1000))
    async with open_coordinator(tmp_path, config) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            job_id = await coordinator.submit(monitor=True)
            await worker.take()
            piece = b"x" * MAX_PAYLOAD
            frames = [output(1, Kind.STDOUT, number * MAX_PAYLOAD, piece) for number in range(5)]
            replies = []

            async def send() -> None:
                replies.append(await coordinator.operations.output(worker.who, job_id, frames))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                await trio.testing.wait_all_tasks_blocked()
                taken = Position(attempt=1, stdout=MAX_PAYLOAD, owner=True)
                while not replies:
                    await coordinator.operations.acknowledge(ALICE, job_id, taken)
                    taken = Position(attempt=1, stdout=2 * MAX_PAYLOAD, owner=True)
            assert replies[0].stdout.received == 2 * MAX_PAYLOAD


@pytest.mark.parametrize(("wanted", "given"), [(1.0, 1.0), (1000.0, 20.0)])
async def test_a_worker_shows_life_within_its_lease_however_rarely_the_client_does(
    coordinator: Coordinator, worker: FakeWorker, wanted: float, given: float
) -> None:
    await coordinator.submit(heartbeat_interval=wanted)
    assert (await worker.take()).heartbeat_interval == given


async def test_what_the_owner_has_not_taken_is_kept_at_the_end(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await coordinator.submit(monitor=True)
    request = await worker.take()
    operations = coordinator.operations
    await operations.output(worker.who, job_id, [output(1, Kind.STDOUT, 0, b"taken, and not", eof=True)])
    await operations.acknowledge(ALICE, job_id, Position(attempt=1, stdout=5, owner=True))
    with pytest.raises(Conflict, match="output missing: stdout has 14 of 20 bytes"):
        await worker.finish(request, stdout=20)
    await worker.finish(request, stdout=14)
    cursor = Position(attempt=1, stdout=5, status="running", owner=True)
    frames = await operations.follow(ALICE, job_id, cursor)
    assert [(f.kind, f.offset, f.payload, f.eof) for f in frames[:2]] == [
        (Kind.STDOUT, 5, b", and not", True),
        (Kind.STDERR, 0, b"", True),
    ]


async def test_a_gap_is_not_taken_and_a_repetition_is_harmless(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await coordinator.submit()
    await worker.take()
    send = coordinator.operations.output
    for frame, received in (
        (output(1, Kind.STDERR, 5, b"later"), 0),
        (output(1, Kind.STDERR, 0, b"01234"), 5),
        (output(1, Kind.STDERR, 0, b"01234"), 5),
        (output(1, Kind.STDERR, 3, b"34567"), 8),
    ):
        assert (await send(worker.who, job_id, [frame])).stderr.received == received


@pytest.mark.parametrize("monitor", [False, True])
async def test_a_coordinator_that_comes_back_goes_on(tmp_path: Path, monitor: bool) -> None:
    async with open_coordinator(tmp_path) as first:
        worker = FakeWorker(first, "w1")
        async with worker.online(slots=1):
            job_id = await first.submit(monitor=monitor)
            waiting = [await first.submit(binary_name="ffprobe") for _ in range(3)]
            request = await worker.take()
            frames = [output(1, Kind.STDOUT, 0, b"0123456789"), output(1, Kind.STDERR, 0, b"abc")]
            await first.operations.output(worker.who, job_id, frames)
            await first.operations.acknowledge(ALICE, job_id, Position(attempt=1, stdout=4, owner=True))
    async with open_coordinator(tmp_path) as second:
        again = FakeWorker(second, "w1")
        again.running = worker.running
        async with again.online(slots=1):
            # The worker holds what was not acknowledged, and does not know who forgot what.
            reply = await second.operations.output(again.who, job_id, [output(1, Kind.STDOUT, 10, b"ab")])
            assert reply.stdout.received == (0 if monitor else 12)
            if monitor:
                kept = [output(1, Kind.STDOUT, 4, b"456789ab", floor=4), output(1, Kind.STDERR, 0, b"abc")]
                reply = await second.operations.output(again.who, job_id, kept)
                assert (reply.stdout.received, reply.stderr.received) == (12, 3)
            cursor = Position(attempt=1, stdout=4, status="running")
            got = await second.operations.follow(ALICE, job_id, cursor)
            assert {(f.kind, f.payload) for f in got} == {(Kind.STDOUT, b"456789ab"), (Kind.STDERR, b"abc")}
            await again.finish(request, stdout=12, stderr=3)
            assert (await second.until(job_id, "completed")).attempt == 1
            for _ in waiting:
                await again.finish(await again.take())
            for other in waiting:
                await second.until(other, "completed")


async def test_reconciliation_tells_a_worker_what_it_should_run(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    kept, canceled, _offered = [await coordinator.submit() for _ in range(3)]
    await worker.take()
    await worker.take()
    await coordinator.operations.cancel(ALICE, canceled)
    strange = msgspec.structs.replace(worker.running[0], job_id="unknown")
    reply = await worker.register(running=[*worker.running, strange], slots=3)
    assert [ref.job_id for ref in reply.cancel] == [canceled]
    assert [ref.job_id for ref in reply.stop] == ["unknown"]
    # It has been restarted: what it ran is gone, and somebody has to run it again.
    reply = await worker.register(running=[], slots=3)
    await coordinator.until(canceled, "canceled")
    assert (await coordinator.until(kept, "pending", "assigned")).attempt <= 2


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
