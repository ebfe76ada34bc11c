"""Spans of jobs: of each one that has ended, made from its rows.

Who makes the change that ends a job tells of it. What the worker did, it tells itself, below the job's span.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from dffmpeg.actors.coordinator.endurance import Endurance
from dffmpeg.actors.coordinator.services import Services
from dffmpeg.actors.runtime import Actor, ActorRef, MailboxFull
from dffmpeg.model.jobs import TERMINAL, Attempt, Job, JobState, Transition
from dffmpeg.store.journal import Change, Missing
from dffmpeg.telemetry import Span, known
from dffmpeg.wire.trace import Context, job_context, parse

log = logging.getLogger(__name__)

WAITING = 10_000
"""Ended jobs of which is still to be told; of more than that the oldest are left out."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Jobs may have ended."""


class Ended:
    """Which jobs have ended, for one reader; a `Listener` of journals.

    Args:
        ref: the reader.
    """

    def __init__(self, ref: ActorRef[Tell]) -> None:
        self.ref = ref
        self.jobs: deque[str] = deque(maxlen=WAITING)

    def take(self, changes: Sequence[Change | Missing]) -> None:
        """Note what was committed."""
        before = len(self.jobs)
        for change in changes:
            if isinstance(change, Transition) and change.target in TERMINAL:
                self.jobs.append(change.job_id)
        if len(self.jobs) > before:
            with suppress(MailboxFull):
                self.ref.tell_nowait(Tell())


class Traces(Actor[Tell]):
    """Reads what has ended, and tells of it."""

    mailbox_size = 1

    def __init__(self, services: Services, ended: Ended) -> None:
        self._services = services
        self._ended = ended
        self._endurance = Endurance(self)

    async def handle(self, message: Tell) -> None:
        await self._endurance.handle(message, self._tell)

    async def _tell(self, message: Tell) -> None:
        del message
        jobs, store = self._ended.jobs, self._services.store
        while jobs:
            job = await store.jobs.get(jobs[0])
            attempts = await store.jobs.attempts(jobs[0])
            jobs.popleft()
            if job is not None:
                for span in spans(job, attempts):
                    self._services.telemetry.emit(span)


def spans(job: Job, attempts: Sequence[Attempt]) -> Iterator[Span]:
    """The spans of a job that has ended: of all of it, and of each time that it waited."""
    place = job_context(job.job_id, job.rules.traceparent)
    end = job.last_update if job.ended_at is None else job.ended_at
    failed = job.state is JobState.FAILED
    yield Span(
        name=f"job {job.binary_name}",
        context=place,
        parent=parse(job.rules.traceparent),
        begin=job.created_at,
        end=end,
        attributes=known(
            dffmpeg__job__id=job.job_id,
            dffmpeg__job__state=job.state.value,
            dffmpeg__job__requester=job.requester_id,
            dffmpeg__job__attempts=job.attempt,
            process__executable__name=job.binary_name,
            process__exit__code=job.exit_code,
            error__type=_error_type(job) if failed else None,
        ),
        error=_error(job) if failed else None,
    )
    yield from _waits(job, attempts, place, end)


def _waits(job: Job, attempts: Sequence[Attempt], place: Context, end: float) -> Iterator[Span]:
    since: float | None = job.created_at
    for attempt in attempts:
        if since is not None:
            yield _wait(job, attempt.attempt, place, since, attempt.assigned_at)
        since = attempt.ended_at
    if not attempts:
        yield _wait(job, 1, place, job.created_at, end)


def _wait(job: Job, attempt: int, place: Context, begin: float, end: float) -> Span:
    return Span(
        name="wait in queue",
        context=place.part("queue", attempt),
        parent=place,
        begin=begin,
        end=end,
        attributes=known(
            dffmpeg__job__id=job.job_id, dffmpeg__attempt=attempt, dffmpeg__job__priority=job.priority
        ),
    )


def _error(job: Job) -> str:
    if job.signal is not None:
        return f"its program died of signal {job.signal}"
    if job.exit_code is not None:
        return f"its program ended with exit code {job.exit_code}"
    return job.reason or "failed"


def _error_type(job: Job) -> str:
    if job.signal is not None:
        return "signal"
    return "exit_code" if job.exit_code is not None else "not_run"
