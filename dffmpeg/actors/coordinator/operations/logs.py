"""What a job's program wrote, for people who read along or later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dffmpeg.actors.coordinator.operations.base import Base
from dffmpeg.actors.coordinator.refusals import NotFound
from dffmpeg.errors import BadInput
from dffmpeg.model.identities import Identity
from dffmpeg.store.streams import StreamSlice
from dffmpeg.wire import descriptors
from dffmpeg.wire.records import launch_of

LogStream = Literal["stderr", "stdout"]

SLICE = 256 * 1024
"""Bytes that are read of what is kept at once."""


@dataclass(frozen=True, slots=True)
class LogSource:
    """A stream of one attempt.

    Attributes:
        number: under which it is found, by the program's descriptor.
        attempt: the one that was asked for, or the latest; 0 before the first.
        latest: the latest attempt.
    """

    job_id: str
    number: int
    attempt: int
    latest: int


class LogOperations(Base):
    """For whoever may see the job. Each may raise `NotFound` and `Forbidden`."""

    async def log_source(
        self, who: Identity, job_id: str, stream: LogStream, attempt: int | None
    ) -> LogSource:
        """Where a job's log is found.

        Args:
            attempt: None for the latest; the first may be asked for before it is there.

        Raises:
            BadInput: there was no such attempt yet.
            NotFound: there is no such job, or it does not write there.
        """
        job = await self._visible(who, job_id)
        if attempt is not None and attempt > max(1, job.attempt):
            raise BadInput(f"attempt: job {job_id} has had {job.attempt}")
        launch = launch_of(job)
        number = descriptors.STDOUT if stream == "stdout" else descriptors.error_output(launch)
        if number is None:
            raise NotFound(f"stderr of job {job_id} goes where its caller has it go, and not through here")
        return LogSource(job_id, number, min(job.attempt, attempt or job.attempt), job.attempt)

    async def kept_log(self, source: LogSource, attempt: int, offset: int) -> StreamSlice:
        """What is kept of an attempt's stream from an offset on, some of it.

        Where nothing is left, `end` is where the stream ended or, of an attempt that lasts, what of it was
        stored.

        Args:
            source: from `log_source`, which looks at who asks.
        """
        store = self._services.store
        found = await store.streams.read(source.job_id, attempt, source.number, offset, SLICE)
        if found.data:
            return found
        attempts = await store.jobs.attempts(source.job_id)
        lengths = next((one.outputs for one in attempts if one.attempt == attempt), None) or {}
        return StreamSlice(offset, b"", max(found.end, lengths.get(source.number, 0)))
