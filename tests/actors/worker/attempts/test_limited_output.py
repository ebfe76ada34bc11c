"""A job may write no more to its caller than the worker allows."""

from __future__ import annotations

import trio

from dffmpeg.actors.worker.attempts.outlets import Allowance
from dffmpeg.configuration.sandbox import ProgramLimits
from tests.actors.worker.conftest import StartWorker
from tests.actors.worker.coordinator import FakeCoordinator

REASON = "it wrote more than 100000 bytes to its caller (limits.output of the worker)"


def test_an_allowance_is_what_all_outputs_have_together() -> None:
    told: list[str] = []
    allowance = Allowance(5, lambda: told.append("exceeded"))
    assert allowance.take(b"abc") == b"abc"
    assert allowance.take(b"de") == b"de"
    assert told == []
    assert allowance.take(b"f") == b""
    assert allowance.take(b"g") == b""
    assert told == ["exceeded"]


async def test_a_program_that_never_stops_writing_is_ended(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    async with start_worker(limits=ProgramLimits(output=100_000)):
        with trio.fail_after(60):
            job = coordinator.add("J1", "sh", "-c", "while :; do echo out; echo err >&2; done")
            report = await coordinator.finished(job)
    assert (report.status, report.reason) == ("failed", REASON)
    assert len(job.stdout.data) + len(job.stderr.data) == 100_000


async def test_one_that_ends_with_the_byte_too_many_has_failed_all_the_same(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    async with start_worker(limits=ProgramLimits(output=100_000)):
        job = coordinator.add("J1", "sh", "-c", "printf %0100500d 1")
        report = await coordinator.finished(job)
    assert (report.status, report.exit_code, report.reason) == ("failed", None, REASON)


async def test_as_much_as_is_allowed_is_not_too_much(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    async with start_worker(limits=ProgramLimits(output=100_000)):
        job = coordinator.add("J1", "sh", "-c", "printf %099999d 1; printf x >&2")
        report = await coordinator.finished(job)
    assert report.status == "completed"
    assert len(job.stdout.data) + len(job.stderr.data) == 100_000
