"""What goes into a job and comes out of it, between its owner and an attending worker."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from ulid import ULID

from dffmpeg.actors.coordinator.job.messages import Attendance, Cancel, Finish, Follow, News
from dffmpeg.actors.coordinator.job.relays import LAZY
from dffmpeg.actors.coordinator.operations import Conflict, Ear, Forbidden
from dffmpeg.actors.runtime import ActorStopped
from dffmpeg.errors import BadInput
from dffmpeg.wire import codec, frames
from dffmpeg.wire.frames import CONTROL, Frame, Kind
from dffmpeg.wire.jobs import (
    AttendRequest,
    Descriptor,
    FinishReport,
    InputPosition,
    JobRecord,
    Launch,
    Position,
)
from dffmpeg.wire.workers import AttemptRef, JobRequest
from tests.actors.coordinator.scheduling import settled
from tests.actors.coordinator.tree import (
    ADMIN,
    ALICE,
    BOB,
    PATIENCE,
    Coordinator,
    FakeWorker,
)

PIPES = Launch(
    descriptors=[
        Descriptor(number=0, kind="pipe", direction="in"),
        Descriptor(number=1, kind="pipe", direction="out"),
        Descriptor(number=2, kind="same", of=1),
        Descriptor(number=3, kind="pipe", direction="out"),
        Descriptor(number=4, kind="pipe", direction="in"),
    ]
)

APART = Launch(
    descriptors=[
        Descriptor(number=2, kind="pipe", direction="out") if one.number == 2 else one
        for one in PIPES.descriptors
    ]
)
"""The same, with a stderr that is not stdout: what stdout's owner has taken is kept for nobody."""


def piece(number: int, offset: int, data: bytes, *, eof: bool = False, attempt: int = 1) -> Frame:
    return Frame(Kind.INPUT, attempt, offset, data, eof=eof, descriptor=number)


async def owned(coordinator: Coordinator, launch: Launch | None = PIPES, **fields: Any) -> str:
    return await coordinator.submit(monitor=True, launch=launch, **fields)


async def attend(
    coordinator: Coordinator, worker: FakeWorker, request: JobRequest, seen: Attendance | None = None
) -> News:
    attempt = AttemptRef(job_id=request.job_id, attempt=request.attempt)
    with trio.fail_after(PATIENCE):
        return await coordinator.operations.attend(worker.who, attempt, 1, seen or Attendance())


def acks(news: list[Frame]) -> dict[int, tuple[int, int, bool, bool]]:
    return {
        frame.descriptor: (frame.offset, frame.floor, frame.eof, frame.resend)
        for frame in news
        if frame.kind is Kind.ACK
    }


async def test_a_launch_reaches_the_worker(coordinator: Coordinator, worker: FakeWorker) -> None:
    await owned(coordinator)
    assert (await worker.take()).launch == PIPES


async def test_repeating_a_submission_changes_nothing(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = str(ULID())
    assert await coordinator.submit(job_id=job_id) == job_id
    request = await worker.take()
    assert await coordinator.submit(job_id=job_id, arguments=["other"]) == job_id
    assert (await coordinator.operations.job(ALICE, job_id)).status == "running"
    with pytest.raises(Conflict):
        await coordinator.submit(BOB, job_id=job_id)
    await worker.finish(request)


@pytest.mark.parametrize(
    "launch",
    [
        Launch(descriptors=[Descriptor(number=1, kind="null"), Descriptor(number=1, kind="null")]),
        Launch(descriptors=[Descriptor(number=1, kind="same", of=2)]),
        Launch(descriptors=[Descriptor(number=1, kind="file")]),
        Launch(environment={"A=B": "c"}),
        Launch(environment={"A": "c\0"}),
    ],
)
async def test_a_launch_that_cannot_be(coordinator: Coordinator, launch: Launch) -> None:
    with pytest.raises(BadInput, match="launch"):
        await coordinator.submit(launch=launch)


async def test_input_travels_and_is_acknowledged(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await owned(coordinator)
    request = await worker.take()
    operations = coordinator.operations
    await operations.input(ALICE, job_id, [piece(0, 0, b"abc"), piece(4, 0, b"d", eof=True)])
    news = await attend(coordinator, worker, request)
    inputs = [frame for frame in news.frames if frame.kind is Kind.INPUT]
    assert [(f.descriptor, f.offset, f.payload, f.eof) for f in inputs] == [
        (0, 0, b"abc", False),
        (4, 0, b"d", True),
    ]
    told = await operations.follow(ALICE, job_id, Position(), Ear(7, {}))
    assert acks(told) == {
        0: (3, 0, False, False),
        4: (1, 0, False, False),
        CONTROL: (0, 0, False, False),
    }
    # Nothing is acknowledged before the program has it.
    await operations.streamed(worker.who, job_id, [frames.acknowledgement(4, 1, 1, 1, eof=True)])
    heard = {0: (0, False), 4: (0, False), CONTROL: (0, False)}
    cursor = Position(attempt=1, status="running")
    told = await operations.follow(ALICE, job_id, cursor, Ear(7, heard))
    assert acks(told) == {4: (1, 1, True, False)}


async def test_input_that_leaves_a_gap_or_the_window(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await owned(coordinator)
    await worker.take()
    operations = coordinator.operations
    full = b"x" * frames.MAX_PAYLOAD
    assert acks(await operations.input(ALICE, job_id, [piece(0, 5, b"late")]))[0] == (0, 0, False, True)
    assert acks(await operations.input(ALICE, job_id, [piece(0, 0, full)]))[0][:2] == (len(full), 0)
    beyond = await operations.input(ALICE, job_id, [piece(0, len(full), b"x")])
    assert acks(beyond)[0] == (len(full), 0, False, True)
    # What belongs to another attempt is passed over.
    old = await operations.input(ALICE, job_id, [piece(0, 0, full, attempt=2)])
    assert acks(old)[0] == (len(full), 0, False, False)
    # Until the owner was told where it follows, it is told that it has to go back.
    cursor = Position(attempt=1, status="running")
    heard = {0: (0, False), CONTROL: (0, False)}
    for missed in (True, False):
        told = acks(await operations.follow(ALICE, job_id, cursor, Ear(7, heard))).get(0)
        assert told == ((len(full), 0, False, True) if missed else None)


async def test_inputs_that_a_job_does_not_have(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await owned(coordinator, None)
    await worker.take()
    operations = coordinator.operations
    with pytest.raises(BadInput):
        await operations.input(ALICE, job_id, [piece(0, 0, b"x")])
    with pytest.raises(BadInput):
        await operations.input(ALICE, job_id, [Frame(Kind.STDOUT, 1, 0, b"x")])
    with pytest.raises(Forbidden):
        await operations.input(BOB, job_id, [piece(CONTROL, 0, b"x" * 8)])
    with pytest.raises(Forbidden):
        await operations.input(ADMIN, job_id, [piece(CONTROL, 0, b"x" * 8)])
    assert acks(await operations.input(ALICE, job_id, [piece(CONTROL, 0, b"x" * 8)])) == {
        CONTROL: (8, 0, False, False)
    }


async def test_an_actor_that_crashed_asks_for_what_it_lost(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await owned(coordinator)
    request = await worker.take()
    operations = coordinator.operations
    await operations.input(ALICE, job_id, [piece(0, 0, b"abcdef")])
    await operations.streamed(worker.who, job_id, [frames.output(3, 1, 0, b"out")])
    before = await attend(coordinator, worker, request)
    coordinator.handle.crash_child(f"coordinator/jobs/{job_id}")
    # Until the worker has said how far its program is, nobody knows, and nothing is taken.
    with trio.fail_after(PATIENCE):
        while acks(await operations.input(ALICE, job_id, [piece(0, 6, b"gh")])):
            await trio.testing.wait_all_tasks_blocked()
    seen = Attendance(
        before.generation, {1: (0, False), 2: (0, False), 3: (0, False)}, {0: (6, False)}, {0: (4, False)}
    )
    after = await attend(coordinator, worker, request, seen)
    assert after.generation != before.generation
    # The worker is told to compare what it sent.
    assert acks(list(after.frames)) == dict.fromkeys((1, 2, 3), (0, 0, False, True))
    assert acks(await operations.input(ALICE, job_id, []))[0] == (4, 4, False, False)
    await operations.input(ALICE, job_id, [piece(0, 4, b"efgh")])
    last = await attend(
        coordinator,
        worker,
        request,
        Attendance(after.generation, dict.fromkeys((1, 2, 3), (0, False)), {0: (6, False)}, {0: (4, False)}),
    )
    assert [(f.offset, f.payload) for f in last.frames] == [(6, b"gh")]


async def test_an_owner_that_polls_hears_of_its_inputs(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await owned(coordinator)
    request = await worker.take()
    operations = coordinator.operations

    async def poll(wait: float = 0.0, **inputs: InputPosition) -> dict[int, tuple[int, int, bool, bool]]:
        told = {CONTROL: InputPosition(), 4: InputPosition()}
        told |= {0: inputs["zero"]} if inputs else {}
        cursor = Position(attempt=1, status="running", owner=True, inputs=told, wait=wait)
        return acks(await operations.follow(ALICE, job_id, cursor))

    assert (await poll())[0] == (0, 0, False, False)
    assert acks(await operations.input(ALICE, job_id, [piece(0, 0, b"abcdef")]))[0] == (6, 0, False, False)
    known = InputPosition(received=6)
    assert await poll(zero=known) == {}
    # An answer may be lost: it is given once more, until the owner says that it knows.
    await operations.streamed(worker.who, job_id, [frames.acknowledgement(0, 1, 4, 4)])
    for _ in range(2):
        assert await poll(zero=known) == {0: (6, 4, False, False)}
    coordinator.handle.crash_child(f"coordinator/jobs/{job_id}")
    asking = AttendRequest(attempt=1, inputs={0: InputPosition(received=5, given=4)})
    assert await operations.attend_once(worker.who, job_id, asking) == []
    for _ in range(2):
        assert await poll(zero=InputPosition(received=6, given=4)) == {0: (4, 4, False, True)}
    assert await poll(zero=InputPosition(received=4, given=4)) == {}
    with pytest.raises(Forbidden):
        await operations.follow(ADMIN, job_id, Position(owner=True, inputs={}))
    await worker.finish(request)


async def test_a_worker_without_a_link_asks_for_its_inputs(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await owned(coordinator)
    request = await worker.take()
    operations = coordinator.operations
    answers: list[list[tuple[int, int, bytes, bool]]] = []

    async def ask(wait: float = 0.0, **position: Any) -> None:
        asking = AttendRequest(attempt=1, inputs={0: InputPosition(**position)}, wait=wait)
        news = await operations.attend_once(worker.who, job_id, asking)
        answers.append([(frame.descriptor, frame.offset, frame.payload, frame.eof) for frame in news])

    await operations.input(ALICE, job_id, [piece(0, 0, b"abc")])
    await ask()
    assert answers.pop() == [(0, 0, b"abc", False)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(ask, 60.0, received=3))
        await settled(coordinator)
        # What is new answers a request that is held.
        await operations.input(ALICE, job_id, [piece(0, 3, b"d", eof=True)])
    assert answers.pop() == [(0, 3, b"d", True)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(ask, 60.0, received=4, eof=True))
        await settled(coordinator)
        nursery.start_soon(partial(ask, 60.0, received=4, eof=True, given=2))
        await settled(coordinator)
        # The later one stands for both.
        assert answers.pop() == []
        told = acks(await operations.follow(ALICE, job_id, Position(attempt=1), Ear(7, {})))
        assert told[0] == (4, 2, False, False)
        await operations.input(ALICE, job_id, [piece(4, 0, b"x")])
    assert answers.pop() == [(4, 0, b"x", False)]
    with pytest.raises(Conflict):
        await operations.attend_once(worker.who, job_id, AttendRequest(attempt=2))
    with pytest.raises(Forbidden):
        await operations.attend_once(ALICE, job_id, AttendRequest(attempt=1))
    await worker.finish(request)


async def test_further_outputs_are_relayed_and_kept(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await owned(coordinator, APART)
    request = await worker.take()
    operations = coordinator.operations
    await operations.streamed(
        worker.who,
        job_id,
        [frames.output(1, 1, 0, b"one"), frames.output(3, 1, 0, b"three"), frames.output(3, 1, 5, b"!")],
    )
    news = await operations.follow(ALICE, job_id, Position(attempt=1, status="running", others={3: 2}))
    assert [(f.kind, f.descriptor, f.payload) for f in news] == [
        (Kind.STDOUT, 0, b"one"),
        (Kind.OUTPUT, 3, b"ree!"),
    ]
    await operations.acknowledge(
        ALICE, job_id, Position(attempt=1, stdout=3, others={3: 4}, status="running", owner=True)
    )
    told = await attend(coordinator, worker, request)
    assert acks(list(told.frames)) == {
        1: (3, 3, False, False),
        2: (0, 0, False, False),
        3: (6, 4, False, False),
    }
    with pytest.raises(Conflict, match="output missing: output 3 has 6 of 7"):
        await worker.finish(request, stdout=3, stderr=0, others={3: 7})
    await worker.finish(request, stdout=3, stderr=0, others={3: 6})
    rest = await operations.follow(ALICE, job_id, Position(attempt=1, stdout=3, others={3: 4}))
    assert [(f.kind, f.payload, f.eof) for f in rest[:-1]] == [
        (Kind.STDOUT, b"", True),
        (Kind.STDERR, b"", True),
        (Kind.OUTPUT, b"e!", True),
    ]
    assert frames_status(rest).status == "completed"


async def test_a_log_is_acknowledged_when_it_is_durable(coordinator: Coordinator, worker: FakeWorker) -> None:
    """Also where it is stdout: the worker has to be able to send it again until then."""
    job_id = await owned(coordinator)
    request = await worker.take()
    operations = coordinator.operations
    much = bytes(LAZY)
    await operations.streamed(worker.who, job_id, [frames.output(1, 1, 0, much)])
    await operations.acknowledge(ALICE, job_id, Position(attempt=1, stdout=LAZY, owner=True))
    told = await attend(coordinator, worker, request)
    assert acks(list(told.frames))[1] == (LAZY, LAZY, False, False)
    store = coordinator.services.store
    assert (await store.streams.read(job_id, 1, 1, 0, LAZY)).data == much
    await operations.streamed(worker.who, job_id, [frames.output(1, 1, LAZY, b"a little")])
    end = LAZY + len(b"a little")
    await operations.acknowledge(ALICE, job_id, Position(attempt=1, stdout=end, owner=True))
    await worker.finish(request, stdout=end, stderr=0, others={3: 0})
    assert (await store.streams.read(job_id, 1, 1, LAZY, LAZY)).data == b"a little"


def frames_status(news: list[Frame]) -> JobRecord:
    return codec.decode(news[-1].payload, JobRecord)


async def test_who_asks_while_the_end_is_committed_gets_it(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await owned(coordinator)
    request = await worker.take()
    await coordinator.operations.streamed(worker.who, job_id, [frames.output(1, 1, 0, b"abc", eof=True)])
    actor = coordinator.services.jobs.find(job_id)
    assert actor is not None
    report = FinishReport(status="completed", exit_code=0, attempt=1, stdout=3)
    # In the mailbox, behind the message that ends the job.
    actor.tell_nowait(Finish(worker.name, report))
    follow = Follow(ALICE, Position(attempt=1, status="running", owner=True), None, 1, {})
    news: list[Frame] = []

    async def listen() -> None:
        answer = await actor.ask(follow, PATIENCE)
        news.extend(answer)

    async def cancel() -> None:
        with pytest.raises(ActorStopped):
            await actor.ask(Cancel(ALICE, "too late"), PATIENCE)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        nursery.start_soon(cancel)
    assert [(frame.kind, frame.payload, frame.eof) for frame in news[:3]] == [
        (Kind.STDOUT, b"abc", True),
        (Kind.STDERR, b"", True),
        (Kind.OUTPUT, b"", True),
    ]
    assert codec.decode(news[3].payload, JobRecord).status == "completed"
    assert (await coordinator.operations.cancel(ALICE, job_id)).detail == "the job is completed already"
    assert request.job_id == job_id


async def test_attending_ends_with_the_attempt(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await owned(coordinator)
    request = await worker.take()
    seen = Attendance(told=dict.fromkeys((1, 2, 3), (0, False)))
    first = await attend(coordinator, worker, request)
    seen = Attendance(first.generation, seen.told)
    ended: list[News] = []

    async def wait() -> None:
        ended.append(await attend(coordinator, worker, request, seen))

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            await worker.finish(request)
    assert (ended[0].over, ended[0].frames) == (True, [])
    with pytest.raises(Conflict):
        await attend(coordinator, worker, request)
    with pytest.raises(Conflict):
        await coordinator.operations.streamed(worker.who, job_id, [])
