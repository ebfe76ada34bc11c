"""What is not kept, or not kept any more, is told to whoever comes for it: no stream just ends earlier."""

from __future__ import annotations

import pytest

from dffmpeg.actors.coordinator.operations import NotFound
from dffmpeg.model.streams import Stream
from dffmpeg.store.purging import purge
from dffmpeg.wire.frames import Kind
from dffmpeg.wire.jobs import Descriptor, Launch, Position
from tests.actors.coordinator.tree import ADMIN, ALICE, Coordinator, FakeWorker, output

OUT, ERR = b"0123456789", b"first\nsecond\n"


async def ended_job(coordinator: Coordinator, worker: FakeWorker, *, monitor: bool = False) -> str:
    """One that has written, and whose owner, if it has one, has taken half of its stdout."""
    job_id = await coordinator.submit(monitor=monitor)
    request = await worker.take()
    frames = [output(1, Kind.STDOUT, 0, OUT, eof=True), output(1, Kind.STDERR, 0, ERR, eof=True)]
    await coordinator.operations.output(worker.who, job_id, frames)
    if monitor:
        await coordinator.operations.acknowledge(ALICE, job_id, Position(attempt=1, stdout=5, owner=True))
    await worker.finish(request, stdout=len(OUT), stderr=len(ERR))
    await coordinator.until(job_id, "completed")
    return job_id


async def pieces(
    coordinator: Coordinator, job_id: str, stdout: int = 0
) -> list[tuple[Kind, int, bytes, bool]]:
    cursor = Position(attempt=1, status="running", stdout=stdout)
    frames = await coordinator.operations.follow(ALICE, job_id, cursor)
    return [(one.kind, one.offset, one.payload, one.eof) for one in frames if one.kind is not Kind.STATUS]


@pytest.mark.parametrize("taken", [0, 4, len(OUT)])
async def test_output_that_expired_leaves_a_gap_up_to_its_end(
    coordinator: Coordinator, worker: FakeWorker, taken: int
) -> None:
    job_id = await ended_job(coordinator, worker)
    await coordinator.services.store.streams.delete(job_id)
    assert await pieces(coordinator, job_id, stdout=taken) == [
        (Kind.STDOUT, len(OUT), b"", True),
        (Kind.STDERR, len(ERR), b"", True),
    ]


async def test_what_only_the_owner_had_is_a_gap_for_others(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await ended_job(coordinator, worker, monitor=True)
    # The owner's other half is kept for it, from where it had got.
    assert (await pieces(coordinator, job_id))[0] == (Kind.STDOUT, 5, OUT[5:], True)
    await coordinator.services.store.streams.delete(job_id)
    assert (await pieces(coordinator, job_id, stdout=5))[0] == (Kind.STDOUT, len(OUT), b"", True)


async def test_a_purged_job_is_not_there_for_one_who_was_reading_it(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await ended_job(coordinator, worker)
    assert await purge(coordinator.services.store, job_id)
    with pytest.raises(NotFound):
        await pieces(coordinator, job_id, stdout=4)


async def test_an_attempt_tells_how_much_it_wrote(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await ended_job(coordinator, worker)
    (attempt,) = await coordinator.operations.attempts(ADMIN, job_id)
    assert attempt.outputs == {Stream.STDOUT: len(OUT), Stream.STDERR: len(ERR)}


async def test_the_log_says_how_much_is_gone(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await ended_job(coordinator, worker)
    await coordinator.services.store.streams.delete(job_id)
    lines, last = await coordinator.operations.log_lines(ALICE, job_id, since=None, limit=10)
    assert [line.content for line in lines] == [f"dffmpeg: {len(ERR)} bytes of stderr are not kept"]
    assert await coordinator.operations.log_lines(ALICE, job_id, since=last, limit=10) == ([], last)


async def test_the_log_of_a_job_whose_stderr_is_its_stdout(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    """As with `2>&1`."""
    both = Launch(
        descriptors=[
            Descriptor(number=1, kind="pipe", direction="out"),
            Descriptor(number=2, kind="same", of=1),
        ]
    )
    job_id = await coordinator.submit(launch=both)
    request = await worker.take()
    await coordinator.operations.output(worker.who, job_id, [output(1, Kind.STDOUT, 0, ERR, eof=True)])
    await worker.finish(request, "failed", stdout=len(ERR), exit_code=1)
    assert (await coordinator.until(job_id, "failed")).last_line == "second"
    lines, last = await coordinator.operations.log_lines(ALICE, job_id, since=None, limit=10)
    assert [line.content for line in lines] == ["first", "second"]
    assert await coordinator.operations.log_lines(ALICE, job_id, since=last, limit=10) == ([], last)
    assert (await coordinator.operations.job_in_full(ALICE, job_id)).stderr == 1


async def test_the_log_of_a_job_whose_stderr_stays_with_its_caller(coordinator: Coordinator) -> None:
    job_id = await coordinator.submit(launch=Launch(descriptors=[Descriptor(number=2, kind="null")]))
    lines, last = await coordinator.operations.log_lines(ALICE, job_id, since=None, limit=10)
    assert [line.content for line in lines] == [
        "dffmpeg: the stderr of this job goes where its caller has it go, and not through here"
    ]
    assert await coordinator.operations.log_lines(ALICE, job_id, since=last, limit=10) == ([], last)
    assert (await coordinator.operations.job_in_full(ALICE, job_id)).stderr is None
