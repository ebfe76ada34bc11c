"""What a job's actor is: what it remembers, and how the job's state changes.

All that it remembers can be made again from the job's row: an actor that
crashed loads the row and goes on, with every timer begun anew.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import trio

from dffmpeg import logs
from dffmpeg.actors.coordinator.endurance import Endurance
from dffmpeg.actors.coordinator.job.messages import Due, Follow, JobMessage, Over
from dffmpeg.actors.coordinator.job.offers import offer
from dffmpeg.actors.coordinator.job.presence import Presence
from dffmpeg.actors.coordinator.job.streams import JobStreams
from dffmpeg.actors.coordinator.job.timers import begin_timers
from dffmpeg.actors.coordinator.job.verdicts import Verdicts
from dffmpeg.actors.coordinator.refusals import Conflict
from dffmpeg.actors.coordinator.services import Services
from dffmpeg.actors.runtime import Actor, MailboxFull, Reply
from dffmpeg.model import jobs
from dffmpeg.model.jobs import Job, JobState, Transition
from dffmpeg.model.last_words import last_line
from dffmpeg.model.retries import STDERR_END
from dffmpeg.store import StreamPiece
from dffmpeg.wire.trace import trace_of


class JobLife(Actor[JobMessage]):
    """One live job: assigned, running or canceling.

    It ends when the job does, or when the job is pending again.
    """

    mailbox_size = 256

    def __init__(self, job_id: str, services: Services) -> None:
        self._job_id = job_id
        self._services = services
        self._verdicts = Verdicts(services)
        self._job: Job | None = None
        self._before: Job | None = None
        self._endurance = Endurance(self, self._unchanged)
        self._over = False
        self._late: list[Reply[object]] = []

    async def start(self) -> None:
        job = await self._services.store.jobs.get(self._job_id)
        if job is None or job.state not in jobs.LIVE or not self._services.membership.minds(job.worker_id):
            # The row is the truth: whatever we were started for is over, or somebody else's.
            self.context.finish()
            return
        self._job = job
        trace = trace_of(job.rules.traceparent)
        logs.begin(job=job.job_id, attempt=job.attempt, worker=job.worker_id, trace=trace)
        self._streams = JobStreams(job, self._services, self.context)
        if job.state is not JobState.ASSIGNED:
            await self._streams.output.recover()
        # Silence is counted from now, as the requester's is.
        self._worker_seen = trio.current_time()
        self._requester = Presence()
        self._enter(job.state, await self._ran(job))
        if job.monitor:
            self.context.tell_after(self._client_lease, Due("client"))
        await offer(self._services, self.job)

    async def _ran(self, job: Job) -> float:
        """For how long the attempt has run, before this actor."""
        if job.state is not JobState.RUNNING:
            return 0.0
        attempts = await self._services.store.jobs.attempts(self._job_id)
        started = next((one.started_at for one in attempts if one.attempt == job.attempt), None)
        return 0.0 if started is None else max(0.0, time.time() - started)

    @property
    def job(self) -> Job:
        assert self._job is not None
        return self._job

    async def handle(self, message: JobMessage) -> object:
        self._before = self._job
        return await self._endurance.handle(message, self._take_message)

    def _unchanged(self) -> bool:
        """Whether the job is where it was before the message that failed. Else some of what follows from the
        change is missing, and all of it is made again from the row."""
        job, before = self._job, self._before
        if job is None or before is None or (job.state, job.attempt) != (before.state, before.attempt):
            return False
        # What was taken and is not durable is not acknowledged, and the worker may wait for that.
        self._endurance.repeat(Due("keep"))
        return not self._over

    @abstractmethod
    async def _take_message(self, message: JobMessage) -> object:
        """Handle a message."""

    @property
    def _client_lease(self) -> float:
        return self.job.heartbeat_interval * self._services.config.leases.client_factor

    # Changing state: one compare-and-set, then everybody who has to know.

    async def _apply(self, transition: Transition, output: Sequence[StreamPiece] = ()) -> bool:
        """Make the change durable. False: the row had moved on; the actor has loaded what it says now.

        Args:
            output: pieces of the attempt's output that are to be durable with it.
        """
        if transition.closes is not None:
            end = await self._streams.stderr_end(STDERR_END)
            results = {**transition.results, "stderr_end": end, "outputs": self._streams.output.lengths()}
            transition = replace(transition, results=results)
            if transition.target is JobState.FAILED and end is not None:
                changes = {**transition.changes, "last_line": last_line(end)}
                transition = replace(transition, changes=changes)
        won = await self._services.store.apply_with_output(transition, output)
        self._streams.output.settled(output)
        await self._take(transition.made(self.job) if won else await self._row())
        if won and self._job is not None:
            await self._services.announce(self._job)
        return won

    async def _row(self) -> Job | None:
        return await self._services.store.jobs.get(self._job_id)

    async def _take(self, job: Job | None) -> None:
        """The job as its row has it by now."""
        self._job = job
        if job is not None:
            self._streams.job = job
        if job is None or job.state not in jobs.LIVE or job.attempt != self._attempt:
            await self._end()
        else:
            self._enter(job.state)
            await self._streams.serve(Follow)

    def _enter(self, state: JobState, ran: float = 0.0) -> None:
        """Begin a state's timers.

        Args:
            ran: for how many seconds the attempt has run already.
        """
        self._attempt = self.job.attempt
        if state is JobState.RUNNING:
            self._worker_seen = trio.current_time()
        begin_timers(self.context, self.job, self._verdicts, ran)

    async def _end(self) -> None:
        """The job has ended, or waits again: answer those who wait here, and go."""
        await self._streams.close()
        self._services.changed.ring(self._job_id)
        self._services.wake_scheduler()
        if self._job is None or self._job.state not in jobs.TERMINAL:
            self.context.finish()
            return
        # Its followers have asked on while the end was being committed. What waits here is answered
        # from memory; the store would be asked for the same at the very moment that they wait for.
        self._over = True
        try:
            self.context.ref.tell_nowait(Over())
        except MailboxFull:
            self.context.finish()

    def _fence(self, worker_id: str, attempt: int | None) -> None:
        """Refuse what does not come from the current attempt's worker."""
        job = self.job
        if worker_id != job.worker_id or (attempt is not None and attempt != job.attempt):
            raise Conflict(f"attempt {attempt} of job {job.job_id} is not {worker_id}'s any more")
