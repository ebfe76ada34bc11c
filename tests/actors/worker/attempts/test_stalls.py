"""Programs that have stalled, that run for too long, and that tell how far they are."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
import trio

from dffmpeg.actors.worker.attempts.vitals import usage
from dffmpeg.configuration.sandbox import ProgramLimits
from dffmpeg.model.progress import Progress
from tests.actors.worker.attempts.test_jobs import alive
from tests.actors.worker.conftest import StartWorker
from tests.actors.worker.coordinator import FakeCoordinator, Job

SLEEPS = "trap '' INT TERM; echo $$; exec sleep 600"
STALL = 0.5


async def pid_of(coordinator: FakeCoordinator, job: Job) -> int:
    await coordinator.until(lambda: b"\n" in job.stdout.data)
    return int(job.stdout.data.split()[0])


async def test_a_program_that_does_nothing_is_given_back(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    async with start_worker():
        job = coordinator.add("J1", "sh", "-c", SLEEPS, stall_timeout=STALL)
        pid = await pid_of(coordinator, job)
        await coordinator.until(lambda: job.reason is not None)
        # It is reported only once it is dead: another worker begins as soon as it is.
        assert not alive(pid)
    assert (job.reason or "").startswith("stalled: no output and no use of a processor for ")
    assert "stopped" not in (job.reason or "")


async def test_a_program_that_somebody_stopped_is_given_back(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    async with start_worker():
        job = coordinator.add("J1", "sh", "-c", "echo $$; while :; do :; done", stall_timeout=STALL)
        pid = await pid_of(coordinator, job)
        os.kill(pid, signal.SIGSTOP)
        await coordinator.until(lambda: job.reason is not None)
        assert not alive(pid)
    assert "stopped by a signal that was not its caller's" in (job.reason or "")


@pytest.mark.parametrize(
    "work", ["while :; do :; done", "while :; do echo x; sleep 0.05; done"], ids=["computes", "writes"]
)
async def test_a_program_that_lives_is_left_alone(
    coordinator: FakeCoordinator, start_worker: StartWorker, work: str
) -> None:
    async with start_worker():
        job = coordinator.add("J1", "sh", "-c", f"({work}) & sleep 4; kill $!", stall_timeout=2.0)
        report = await coordinator.finished(job)
    assert (report.exit_code, job.reason) == (0, None)


@pytest.mark.parametrize(("asked", "allowed"), [(0.5, None), (None, 0.5), (60.0, 0.5), (0.5, 60.0)])
async def test_a_program_that_runs_for_too_long_is_ended_gently_and_fails(
    coordinator: FakeCoordinator, start_worker: StartWorker, asked: float | None, allowed: float | None
) -> None:
    """For longer than its job, or its worker, lets it."""
    script = "trap 'echo int; exit 0' INT; echo ready; while :; do sleep 0.05; done"
    async with start_worker(limits=ProgramLimits(run_time=allowed)):
        job = coordinator.add("J1", "sh", "-c", script, run_timeout=asked)
        report = await coordinator.finished(job)
    assert (report.status, report.exit_code, report.signal) == ("failed", None, None)
    assert report.reason == "it ran for longer than 0.5 s"
    assert bytes(job.stdout.data) == b"ready\nint\n"


STATUS = r"frame=%5d fps= 25 q=28.0 size=    1024kB time=00:00:%02d.00 bitrate=1.0kbits/s speed=2x    \r"


async def test_progress_is_told_and_told_at_the_end(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    script = f"printf '{STATUS}' 25 1 >&2; sleep 1.5; printf '{STATUS}' 50 2 >&2"
    async with start_worker():
        job = coordinator.add("J1", "sh", "-c", script)
        await coordinator.until(lambda: job.progress)
        report = await coordinator.finished(job)
    assert job.progress[0] == Progress(frame=25, fps=25.0, time=1.0, speed=2.0, size=1 << 20)
    assert report.progress is not None
    assert report.progress.frame == 50


def test_usage_counts_children_and_knows_what_is_stopped() -> None:
    assert usage(os.getpid()).ticks >= 0
    assert not usage(os.getpid()).stopped
    assert usage(2**22 + 1) == usage(2**22 + 2)


async def test_usage_of_a_group() -> None:
    script = "(while :; do :; done) & echo; wait"
    command = ["sh", "-c", script]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    await process.stdout.receive_some(1)
    try:
        before = usage(process.pid)
        with trio.fail_after(60):
            while usage(process.pid).ticks == before.ticks:  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.02)
        os.killpg(process.pid, signal.SIGSTOP)
        with trio.fail_after(60):
            while not usage(process.pid).stopped:  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.02)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
