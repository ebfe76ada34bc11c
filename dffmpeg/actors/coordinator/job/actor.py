"""JobActor: owns one live job on the coordinator, its timers, its followers, its streams' windows.

Here is what it does with each message.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

import trio

from dffmpeg.actors.coordinator.job.life import JobLife
from dffmpeg.actors.coordinator.job.messages import (
    Accept,
    Acknowledge,
    Attend,
    Cancel,
    Due,
    Finish,
    Follow,
    Input,
    JobMessage,
    Left,
    Look,
    Lost,
    News,
    OfferLines,
    Output,
    OutputDue,
    Over,
    Reject,
    Streamed,
    WaitDue,
    WorkerBeat,
)
from dffmpeg.actors.coordinator.job.offers import offer
from dffmpeg.actors.coordinator.refusals import Conflict, Forbidden
from dffmpeg.actors.coordinator.worker_messages import Judged
from dffmpeg.model import access, jobs, transitions
from dffmpeg.model.identities import Identity
from dffmpeg.model.jobs import CLIENT_GONE, Job, JobState, Transition
from dffmpeg.model.scheduling.quarantine import SILENT
from dffmpeg.wire.frames import Frame
from dffmpeg.wire.jobs import OutputReply


class JobActor(JobLife):
    """See `JobLife`."""

    async def _take_message(self, message: JobMessage) -> object:  # noqa: C901 - a table of messages
        if self._over:
            return await self._handle_late(message)
        match message:
            case Accept():
                return await self._accept(message)
            case Reject():
                return await self._reject(message)
            case WorkerBeat():
                return await self._beat(message)
            case Output():
                return await self._take_output(message)
            case Streamed():
                await self._take_streamed(message)
            case Attend():
                return await self._attend(message)
            case OfferLines():
                await self._take_lines(message)
            case Finish():
                return await self._finish(message)
            case Follow():
                return await self._follow(message)
            case Input():
                return await self._input(message)
            case Acknowledge():
                await self._acknowledge(message)
            case Left():
                self._left(message)
            case Cancel():
                return await self._cancel(message)
            case Lost():
                await self._lost(message)
            case Look():
                await self._look()
            case Due():
                await self._due(message.what)
            case WaitDue():
                self._streams.expire(message.connection)
            case OutputDue():
                self._streams.release_output(message.number)
        return None

    async def _handle_late(self, message: JobMessage) -> object:
        """The job has ended, and we end when what was said before that is dealt with."""
        match message:
            case Follow():
                return await self._follow(message)
            case Acknowledge():
                await self._acknowledge(message)
            case Over():
                self.context.finish()
            case _:
                # Unanswered at our end: the asker looks at the row then.
                self._late.append(self.context.defer())
        return None

    # What the worker says

    async def _accept(self, message: Accept) -> Job:
        self._fence(message.worker_id, message.attempt)
        if self.job.state is JobState.RUNNING:
            # The answer to the first acceptance was lost on its way.
            return self.job
        if self.job.state is not JobState.ASSIGNED:
            raise Conflict(f"job {self._job_id} is {self.job.state}")
        accepted = transitions.accept(
            self.job,
            self._attempt,
            message.worker_id,
            time.time(),
            substitutions=message.substitutions,
            executed=message.executed,
        )
        if not await self._apply(accepted):
            raise Conflict(f"job {self._job_id} is {self.job.state}")
        return self.job

    async def _beat(self, message: WorkerBeat) -> Job:
        self._fence(message.worker_id, message.attempt)
        self._worker_seen = trio.current_time()
        if message.progress is not None and message.progress != self.job.progress:
            size = message.progress.pixels if self.job.size is None else self.job.size
            self._job = self._streams.job = replace(self.job, progress=message.progress, size=size)
            self._services.dashboard.progress.note(self._job, message.progress)
            await self._streams.note_progress(message.progress)
        if not message.begun.items() <= self.job.begun.items():
            # Durable before the answer: the attempt may be lost at any time.
            begun = {**self.job.begun, **message.begun}
            await self._services.store.jobs.note_begun(self._job_id, self._attempt, begun)
            self._job = self._streams.job = replace(self.job, begun=begun)
        return self.job

    async def _reject(self, message: Reject) -> Job:
        self._fence(message.worker_id, message.attempt)
        if message.fault:
            # First: once the job is free again, this worker may be the one that gets it.
            await self._services.judge(message.worker_id, Judged(self._job_id, message.reason))
        await self._lose(self._verdicts.rejected(self.job, message))
        return self.job

    async def _lose(self, transition: Transition) -> None:
        """End the attempt, but not its job perhaps; the log is kept."""
        await self._apply(transition, self._streams.output.unsettled(only_log=True))

    def _fence_running(self, worker_id: str, attempts: Iterable[int]) -> None:
        """Refuse streams that do not come from the current attempt's worker, once it has accepted."""
        for attempt in attempts:
            self._fence(worker_id, attempt)
        self._fence(worker_id, None)
        if self.job.state is JobState.ASSIGNED:
            raise Conflict(f"job {self._job_id} was not accepted yet")
        self._worker_seen = trio.current_time()

    async def _take_output(self, message: Output) -> OutputReply | None:
        self._fence_running(message.worker_id, (frame.attempt for frame in message.frames))
        await self._streams.take(message.frames)
        return self._streams.answer_output()

    async def _take_streamed(self, message: Streamed) -> None:
        self._fence_running(message.worker_id, (frame.attempt for frame in message.frames))
        await self._streams.take(message.frames)

    async def _attend(self, message: Attend) -> News | None:
        self._fence_running(message.worker_id, (message.attempt,))
        return await self._streams.attend(message)

    async def _take_lines(self, message: OfferLines) -> None:
        self._fence(message.worker_id, None)
        await self._streams.append(message.texts)

    async def _finish(self, message: Finish) -> Job:
        report = message.report
        self._fence(message.worker_id, report.attempt)
        if self.job.state is JobState.ASSIGNED:
            raise Conflict(f"job {self._job_id} was not accepted yet")
        missing = self._streams.output.missing(report)
        if missing is not None:
            raise Conflict(missing)
        finished = await self._verdicts.finished(self.job, message.worker_id, report, self._streams)
        again = finished.target is JobState.PENDING
        if not await self._apply(finished, self._streams.output.unsettled(only_log=again)):
            raise Conflict(f"job {self._job_id} is {self.job.state}")
        return self.job

    # What the requester and its followers say

    async def _follow(self, message: Follow) -> list[Frame] | None:
        if not access.may_see(message.who, self.job):
            raise Forbidden(f"job {self._job_id} is not yours")
        if message.connection is None:
            if message.cursor.inputs is not None:
                self._require_owner(message.who)
        elif message.heard is not None:
            self._require_owner(message.who)
            self._requester.connected(message.connection)
        return await self._streams.follow(message)

    async def _input(self, message: Input) -> list[Frame]:
        self._require_owner(message.who)
        self._requester.renew()
        return await self._streams.input(message.frames)

    def _require_owner(self, who: Identity) -> None:
        if not access.is_owner(who, self.job):
            raise Forbidden(f"job {self._job_id} is not yours")

    async def _acknowledge(self, message: Acknowledge) -> None:
        if not access.may_see(message.who, self.job):
            raise Forbidden(f"job {self._job_id} is not yours")
        if not access.is_owner(message.who, self.job):
            return
        self._requester.renew()
        if message.position.owner:
            await self._streams.acknowledge(message.position)

    def _left(self, message: Left) -> None:
        self._streams.forget(message.connection)
        if self._requester.disconnected(message.connection) and message.gone and self.job.monitor:
            self._requester.leave()
            self.context.tell_after(self._services.config.leases.client_disconnect, Due("owner"))

    async def _cancel(self, message: Cancel) -> Job:
        if message.who is not None and not access.may_command(message.who, self.job):
            raise Forbidden(f"job {self._job_id} is not yours")
        if self.job.state is not JobState.CANCELING:
            await self._apply(transitions.request_cancel(self.job, time.time(), message.reason))
            # Nobody may be left to take the output: it must not keep ffmpeg from ending.
            await self._streams.output.disown()
            await offer(self._services, self.job)
        return self.job

    # What nobody says

    async def _lost(self, message: Lost) -> None:
        if message.attempt == self._attempt:
            await self._lose(self._verdicts.losing(self.job, message.reason))

    async def _look(self) -> None:
        """Others do not change what is ours, unless it is theirs by now."""
        row = await self._row()
        if row is not None and row.state in jobs.LIVE and not self._services.membership.minds(row.worker_id):
            # Nothing is touched: another actor drives it. Whoever waits here is told to ask elsewhere.
            self.context.finish()
        elif row is None or (row.state, row.attempt) != (self.job.state, self._attempt):
            await self._take(row)

    async def _due(self, what: str) -> None:
        state = self.job.state
        if what == "assignment" and state is JobState.ASSIGNED:
            await self._apply(self._verdicts.not_accepted(self.job))
        elif what == "cancel" and state is JobState.CANCELING:
            await self._apply(transitions.confirm_canceled(self.job, time.time()))
        elif what == "worker" and state is JobState.RUNNING:
            left = self._worker_seen + self._verdicts.lease(self.job) - trio.current_time()
            if left > 0:
                self.context.tell_after(left, Due("worker"))
            else:
                await self._lose(self._verdicts.losing(self.job, f"{SILENT} {self.job.worker_id}"))
        elif what == "run" and state is JobState.RUNNING:
            await self._overrun()
        elif what == "client" and self.job.monitor and state is not JobState.CANCELING:
            left = self._requester.remaining(self._client_lease)
            if left > 0:
                self.context.tell_after(left, Due("client"))
            else:
                await self._cancel(Cancel(None, CLIENT_GONE))
        elif what == "owner" and self._requester.gone:
            await self._cancel(Cancel(None, CLIENT_GONE))
        elif what == "keep":
            await self._streams.keep()

    async def _overrun(self) -> None:
        limit = self._verdicts.rules(self.job).run_timeout
        if limit is not None:
            await self._apply(
                transitions.overrun(self.job, time.time(), limit), self._streams.output.unsettled()
            )
            await offer(self._services, self.job)
