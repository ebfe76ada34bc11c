"""How far a live job is: what its worker says, told to followers and written down at a bounded rate.

Not an actor: the job's actor owns it and calls it.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import trio

from dffmpeg.model.progress import Progress

if TYPE_CHECKING:
    from dffmpeg.store.jobs import JobRepository

SHOWN_EVERY = 0.5
"""Seconds between two progresses that followers are told, at least; what comes sooner is passed over."""

WRITTEN_EVERY = 5.0
"""Seconds between two that are written to the job's row, at least."""

_numbers = count(1)


class JobProgress:
    """The progress of one attempt.

    Attributes:
        number: unlike that of any other progress that a follower may have been told; 0 for none.
    """

    def __init__(self, job_id: str, attempt: int, repository: JobRepository) -> None:
        self.number = 0
        self._job_id = job_id
        self._attempt = attempt
        self._repository = repository
        self._shown_at: float | None = None
        self._written_at = trio.current_time()

    def show(self) -> bool:
        """There is news; returns whether followers are to be told now."""
        now = trio.current_time()
        if self._shown_at is not None and now < self._shown_at + SHOWN_EVERY:
            return False
        self._shown_at = now
        self.number = next(_numbers)
        return True

    async def write(self, progress: Progress) -> None:
        """Make it durable, unless the last time is not long ago."""
        now = trio.current_time()
        if now >= self._written_at + WRITTEN_EVERY:
            self._written_at = now
            await self._repository.note_progress(self._job_id, self._attempt, progress)
