"""Attempts: which are tried again, what they use up, and what is kept of each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from dffmpeg.actors.coordinator.job import timers
from dffmpeg.actors.coordinator.operations import Forbidden
from dffmpeg.configuration.coordinator import CoordinatorConfig, Retries
from dffmpeg.errors import BadInput
from dffmpeg.model.progress import Progress
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import AttemptReport, Begun, JobRecord, Position
from dffmpeg.wire.workers import JobRequest
from tests.actors.coordinator.tree import (
    ADMIN,
    ALICE,
    BOB,
    PATIENCE,
    Coordinator,
    FakeWorker,
    open_coordinator,
)

SHORT = 0.05
QUICK = CoordinatorConfig(retries=Retries(backoff_minimum=0.001, backoff_maximum=0.001))


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Coordinator]:
    async with open_coordinator(tmp_path, QUICK) as running:
        yield running


@pytest.fixture
async def worker(coordinator: Coordinator) -> AsyncIterator[FakeWorker]:
    fake = FakeWorker(coordinator, "w1")
    async with fake.online():
        yield fake


async def says(coordinator: Coordinator, worker: FakeWorker, request: JobRequest, text: bytes) -> int:
    """The attempt writes to stderr; returns how much."""
    frame = Frame(Kind.STDERR, request.attempt, 0, text, 0, eof=True)
    await coordinator.operations.output(worker.who, request.job_id, [frame])
    return len(text)


async def lose(coordinator: Coordinator, worker: FakeWorker, request: JobRequest, reason: str) -> None:
    report = AttemptReport(attempt=request.attempt, reason=reason)
    await coordinator.operations.reject(worker.who, request.job_id, report)


async def test_a_failure_that_a_rule_names_by_its_exit_code(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await coordinator.submit(retry_exit_codes=[69, 7], max_attempts=2)
    first = await worker.take()
    await worker.finish(first, "failed", exit_code=69)
    second = await worker.take()
    between = await coordinator.operations.job(ALICE, job_id)
    assert (between.exit_code, between.losses) == (None, 1)
    await worker.finish(second, "failed", exit_code=69)
    record = await coordinator.until(job_id, "failed")
    # Used up: now it is the job's own end.
    assert (record.exit_code, record.attempt, record.reason) == (69, 2, None)
    attempts = await coordinator.operations.attempts(ALICE, job_id)
    assert [(one.attempt, one.outcome, one.exit_code) for one in attempts] == [
        (1, "failed", 69),
        (2, "failed", 69),
    ]
    assert all(one.started_at and one.ended_at and one.worker_id == "w1" for one in attempts)


async def test_a_failure_that_a_rule_names_by_its_stderr(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await coordinator.submit(retry_stderr=["^av_interleaved.*: Connection reset", "never"])
    first = await worker.take()
    text = b"x" * 100_000 + b"\nav_interleaved_write_frame(): Connection reset by peer\n"
    length = await says(coordinator, worker, first, text)
    await worker.finish(first, "failed", exit_code=1, stderr=length)
    second = await worker.take()
    # It has not failed yet.
    assert (await coordinator.operations.job(ALICE, job_id)).last_line is None
    length = await says(coordinator, worker, second, b"another error\n")
    await worker.finish(second, "failed", exit_code=1, stderr=length)
    record = await coordinator.until(job_id, "failed")
    assert (record.exit_code, record.attempt, record.last_line) == (1, 2, "another error")
    ends = [one.stderr_end for one in await coordinator.operations.attempts(ALICE, job_id)]
    assert ends == [text[-4096:].decode(), "another error\n"]


@pytest.mark.parametrize(
    "fields", [{"exit_code": 5}, {"exit_code": None, "reason": "it ran for too long"}], ids=["other", "ours"]
)
async def test_any_other_failure_is_the_answer(
    coordinator: Coordinator, worker: FakeWorker, fields: dict[str, object]
) -> None:
    job_id = await coordinator.submit(retry_exit_codes=[69], retry_stderr=["nothing like it"])
    await worker.finish(await worker.take(), "failed", **fields)
    assert (await coordinator.until(job_id, "failed")).attempt == 1


async def test_a_pattern_that_is_none_is_refused(coordinator: Coordinator) -> None:
    with pytest.raises(BadInput, match=r"retry_stderr: '\(' is no regular expression"):
        await coordinator.submit(retry_stderr=["("])


async def test_what_was_never_accepted_uses_nothing_up(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await coordinator.submit(max_attempts=1)
    for _ in range(4):
        with trio.fail_after(PATIENCE):
            request = await worker.requests.receive()
        await lose(coordinator, worker, request, "full")
    await worker.finish(await worker.take())
    record = await coordinator.until(job_id, "completed")
    assert (record.attempt, record.losses) == (5, 0)
    outcomes = [one.outcome for one in await coordinator.operations.attempts(ALICE, job_id)]
    assert outcomes == ["rejected"] * 4 + ["completed"]


async def test_what_workers_cannot_run_as_it_is_does(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await coordinator.submit(max_attempts=2)
    for _ in range(2):
        with trio.fail_after(PATIENCE):
            request = await worker.requests.receive()
        report = AttemptReport(attempt=request.attempt, reason="a link leads out", unfit=True)
        await coordinator.operations.reject(worker.who, request.job_id, report)
    record = await coordinator.until(job_id, "failed")
    assert (record.reason, record.losses) == ("w1: a link leads out; 2 of 2 attempts are used up", 2)
    assert [one.outcome for one in await coordinator.operations.attempts(ALICE, job_id)] == ["rejected"] * 2


async def test_what_is_lost_while_it_runs_does(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await coordinator.submit(max_attempts=2)
    first = await worker.take()
    await says(coordinator, worker, first, b"half a line")
    await lose(coordinator, worker, first, "stalled: for 5 s")
    await lose(coordinator, worker, await worker.take(), "a fault in the worker")
    record = await coordinator.until(job_id, "failed")
    assert record.reason == "w1: a fault in the worker; 2 of 2 attempts are used up"
    assert (record.losses, record.exit_code) == (2, None)
    attempts = await coordinator.operations.attempts(ALICE, job_id)
    assert [(one.outcome, one.stderr_end) for one in attempts] == [("lost", "half a line"), ("lost", None)]
    assert attempts[0].reason == "w1: stalled: for 5 s"


async def test_the_log_has_all_attempts_and_a_mark_between(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await coordinator.submit(retry_exit_codes=[5])
    first = await worker.take()
    length = await says(coordinator, worker, first, b"one\ntwo\n")
    await worker.finish(first, "failed", exit_code=5, stderr=length)
    second = await worker.take()
    length = await says(coordinator, worker, second, b"three\n")
    await worker.finish(second, stderr=length)
    await coordinator.until(job_id, "completed")
    wanted = ["one", "two", "dffmpeg: attempt 1 on w1: failed (exit code 5); attempt 2 on w1 begins", "three"]
    lines, last = await coordinator.operations.log_lines(ALICE, job_id, since=None, limit=100)
    assert [line.content for line in lines] == wanted
    by_one: list[str] = []
    since: str | None = None
    while page := (await coordinator.operations.log_lines(ALICE, job_id, since=since, limit=1))[0]:
        by_one += [line.content for line in page]
        since = page[-1].id
    assert by_one == wanted
    assert since == last
    # The caller sees what its program wrote, and nothing else.
    assert b"dffmpeg" not in await stderr_of(coordinator, job_id)


async def stderr_of(coordinator: Coordinator, job_id: str) -> bytes:
    frames = await coordinator.operations.follow(ALICE, job_id, Position())
    return b"".join(frame.payload for frame in frames if frame.kind is Kind.STDERR)


async def test_who_may_see_attempts(coordinator: Coordinator) -> None:
    job_id = await coordinator.submit()
    assert await coordinator.operations.attempts(ADMIN, job_id) == []
    with pytest.raises(Forbidden):
        await coordinator.operations.attempts(BOB, job_id)


async def test_outputs_that_attempts_made_are_named_to_the_next(
    coordinator: Coordinator, worker: FakeWorker
) -> None:
    job_id = await coordinator.submit(retry_exit_codes=[5])
    made = (
        [Begun(path="$Media/a", inode=7)],
        [Begun(path="$Media/a", inode=8), Begun(path="$Media/b", inode=9)],
    )
    expected: list[list[Begun]] = [[], made[0], made[1]]
    for number, begun in enumerate(made, start=1):
        request = await worker.take()
        assert request.begun == expected[number - 1]
        await coordinator.operations.worker_heartbeat(
            worker.who, job_id, AttemptReport(attempt=number, begun=begun)
        )
        await worker.finish(request, "failed", exit_code=5)
    assert (await worker.take()).begun == expected[2]


async def test_a_job_s_own_lease_makes_its_heartbeats(coordinator: Coordinator, worker: FakeWorker) -> None:
    await coordinator.submit(lease=6.0, heartbeat_interval=5.0)
    assert (await worker.take()).heartbeat_interval == 2.0


async def test_a_job_s_own_patience_with_workers(coordinator: Coordinator, worker: FakeWorker) -> None:
    await coordinator.submit(assignment_timeout=SHORT)
    with trio.fail_after(PATIENCE):
        attempts = [(await worker.requests.receive()).attempt for _ in range(3)]
    assert attempts == [1, 2, 3]


async def test_what_runs_for_too_long_ends_also_where_its_worker_does_not_end_it(
    coordinator: Coordinator, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timers, "RUN_PATIENCE", 0.0)
    job_id = await coordinator.submit(run_timeout=SHORT, stall_timeout=7.0)
    request = await worker.take()
    assert (request.run_timeout, request.stall_timeout) == (SHORT, 7.0)
    record = await coordinator.until(job_id, "failed")
    assert record.reason == "it ran for longer than 0.05 s"
    with trio.fail_after(PATIENCE):
        assert (await worker.statuses.receive())["status"] == "failed"


def statuses(frames: list[Frame]) -> list[tuple[int, JobRecord]]:
    return [
        (frame.offset, msgspec.json.decode(frame.payload, type=JobRecord))
        for frame in frames
        if frame.kind is Kind.STATUS
    ]


async def test_progress_reaches_those_who_want_it(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await coordinator.submit()
    request = await worker.take()
    operations = coordinator.operations
    half = Progress(time=5.0, fraction=0.5, duration=10.0)
    await operations.worker_heartbeat(worker.who, job_id, AttemptReport(attempt=1, progress=half))
    where = Position(attempt=1, status="running", progress=0)
    [(number, record)] = statuses(await operations.follow(ALICE, job_id, where))
    assert (record.progress, record.status) == (half, "running")
    # Told once, and not at all to who did not ask.
    for progress in (number, None):
        told = msgspec.structs.replace(where, progress=progress)
        assert await operations.follow(ALICE, job_id, told) == []
    await worker.finish(request)
    final = (await coordinator.until(job_id, "completed")).progress
    assert final == Progress(time=5.0, fraction=1.0, duration=10.0, remaining=0.0)
    assert (await operations.job(ALICE, job_id)).progress == final


async def test_a_waiting_follower_is_told_of_progress(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await coordinator.submit()
    await worker.take()
    found: list[Progress | None] = []

    async def follow() -> None:
        where = Position(attempt=1, status="running", progress=0, wait=PATIENCE)
        frames = await coordinator.operations.follow(ALICE, job_id, where)
        found.append(statuses(frames)[0][1].progress)

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            await trio.testing.wait_all_tasks_blocked()
            report = AttemptReport(attempt=1, progress=Progress(frame=7))
            await coordinator.operations.worker_heartbeat(worker.who, job_id, report)
    assert found == [Progress(frame=7)]


async def test_a_new_attempt_has_made_no_progress(coordinator: Coordinator, worker: FakeWorker) -> None:
    job_id = await coordinator.submit()
    request = await worker.take()
    report = AttemptReport(attempt=1, progress=Progress(frame=7))
    await coordinator.operations.worker_heartbeat(worker.who, job_id, report)
    await lose(coordinator, worker, request, "gone")
    await worker.take()
    assert (await coordinator.operations.job(ALICE, job_id)).progress is None
