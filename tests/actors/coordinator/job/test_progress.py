"""At which rate a job's progress is told and written down."""

from __future__ import annotations

from typing import cast

import trio
from trio.testing import MockClock

from dffmpeg.actors.coordinator.job.progress import SHOWN_EVERY, WRITTEN_EVERY, JobProgress
from dffmpeg.model.progress import Progress
from dffmpeg.store.jobs import JobRepository


class Written:
    """The part of a repository that is needed."""

    def __init__(self) -> None:
        self.frames: list[int | None] = []

    async def note_progress(self, job_id: str, attempt: int, progress: Progress) -> None:
        assert (job_id, attempt) == ("J", 3)
        self.frames.append(progress.frame)


async def test_a_worker_that_talks_too_much_is_passed_over(autojump_clock: MockClock) -> None:
    written = Written()
    progress = JobProgress("J", 3, cast(JobRepository, written))
    shown: list[int] = []
    for frame in range(100):
        if progress.show():
            shown.append(progress.number)
        await progress.write(Progress(frame=frame))
        await trio.sleep(0.25)
    # 25 seconds.
    assert len(shown) == len(set(shown)) == 25 / SHOWN_EVERY
    assert written.frames == [4 * WRITTEN_EVERY * count for count in (1, 2, 3, 4)]


async def test_numbers_are_never_used_twice() -> None:
    first, second = (JobProgress("J", 3, cast(JobRepository, Written())) for _ in range(2))
    assert first.number == 0
    assert first.show()
    assert second.show()
    assert first.number != second.number
