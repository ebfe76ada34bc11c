"""All that there is to know about one job."""

from __future__ import annotations

import time
from collections.abc import Sequence

from dffmpeg.actors.coordinator.operations.scheduling import SchedulingOperations
from dffmpeg.actors.coordinator.refusals import Unavailable
from dffmpeg.model import paths, shell
from dffmpeg.model.identities import Identity
from dffmpeg.model.jobs import Attempt, Job, JobState
from dffmpeg.model.paths import PathError
from dffmpeg.model.timeline import Happening, timeline
from dffmpeg.wire import descriptors, times
from dffmpeg.wire.bytestring import list_to_wire, to_wire
from dffmpeg.wire.dashboard import JobCommand, JobCommands, JobPage, TimelineEntry
from dffmpeg.wire.records import attempt_record, job_record, launch_of
from dffmpeg.wire.scheduling import Explanation


class JobPageOperations(SchedulingOperations):
    """For whoever may see the job."""

    async def job_in_full(self, who: Identity, job_id: str) -> JobPage:
        """What a page about a job shows.

        Raises:
            NotFound, Forbidden: there is no such job, or it is another's.
        """
        job = await self._visible(who, job_id)
        attempts = await self._services.store.jobs.attempts(job_id)
        why = await self._why_it_waits(job)
        happenings = timeline(job, attempts, time.time(), () if why is None else why.waits_for)
        return JobPage(
            job=job_record(job),
            commands=commands(job, attempts),
            timeline=[_entry(one) for one in happenings],
            attempts=[attempt_record(one) for one in attempts],
            progress=job.progress,
            why=why,
            stderr=descriptors.error_output(launch_of(job)),
        )

    async def _why_it_waits(self, job: Job) -> Explanation | None:
        if job.state is not JobState.PENDING:
            return None
        try:
            return await self._explained(job)
        except Unavailable:
            # The queue is being read: the rest of the page is there all the same.
            return None


def commands(job: Job, attempts: Sequence[Attempt]) -> JobCommands:
    """The command of a job, as each sees it."""
    program = job.binary_name.encode()
    executed = attempts[-1].executed if attempts else None
    return JobCommands(
        mapped=_command((program, *job.arguments), job.working_directory),
        client=_of_client(job, program),
        worker=None if executed is None else _command(executed.words, executed.directory),
        in_view=executed is not None and executed.in_view,
    )


def _of_client(job: Job, program: bytes) -> JobCommand | None:
    try:
        words = paths.arguments_to_directories(job.arguments, job.client_paths, job.paths)
        directory = job.working_directory
        if directory is not None:
            directory = paths.path_to_directory(directory, job.client_paths, job.paths)
    except PathError:
        return None
    return _command((program, *words), directory)


def _command(words: Sequence[bytes], directory: bytes | None) -> JobCommand:
    return JobCommand(
        line=shell.line(words),
        arguments=list_to_wire(words),
        directory=None if directory is None else to_wire(directory),
    )


def _entry(one: Happening) -> TimelineEntry:
    return TimelineEntry(
        at=times.to_wire(one.at), what=one.what, text=one.text, attempt=one.attempt, worker_id=one.worker_id
    )
