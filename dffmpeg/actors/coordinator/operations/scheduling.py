"""The queue as a whole, and what the scheduler thinks: for administration."""

from __future__ import annotations

import time
from dataclasses import replace

from dffmpeg.actors.coordinator.operations.base import READERS, require
from dffmpeg.actors.coordinator.operations.workers import WorkerOperations
from dffmpeg.actors.coordinator.refusals import Forbidden, NotFound, Unavailable
from dffmpeg.actors.coordinator.worker_messages import SetHold
from dffmpeg.model import access
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.jobs import TERMINAL, Job
from dffmpeg.model.scheduling.explanation import explain
from dffmpeg.model.scheduling.pause import Pause
from dffmpeg.model.workers import Hold
from dffmpeg.wire.records import queue_state, worker_record
from dffmpeg.wire.scheduling import Explanation, QueueState, WorkerVerdict
from dffmpeg.wire.workers import WorkerRecord


class SchedulingOperations(WorkerOperations):
    """Each may raise `Forbidden` and `NotFound`."""

    async def queue_state(self, who: Identity) -> QueueState:
        """Whether jobs are given to workers. Whoever has jobs may know why they wait."""
        require(who, *READERS)
        return queue_state(await self._services.store.settings.pause())

    async def pause_queue(self, who: Identity, reason: str | None = None) -> QueueState:
        """Give no more jobs to workers; what runs goes on, submissions are taken. Harmless to repeat."""
        return await self._switch(who, Pause(paused=True, reason=reason, by=who.client_id, at=time.time()))

    async def resume_queue(self, who: Identity) -> QueueState:
        """Give jobs to workers again."""
        return await self._switch(who, Pause(by=who.client_id, at=time.time()))

    async def _switch(self, who: Identity, pause: Pause) -> QueueState:
        require(who, Role.ADMIN)
        await self._services.store.settings.set_pause(pause)
        self._services.wake_scheduler()
        return queue_state(pause)

    async def hold_worker(
        self,
        who: Identity,
        worker_id: str,
        hold: Hold,
        *,
        reason: str | None = None,
        seconds: float | None = None,
    ) -> WorkerRecord:
        """Give a worker nothing new: paused, draining or quarantined; what it runs goes on.

        Args:
            seconds: after which it comes back by itself; None is not before somebody releases it.
        """
        until = None if seconds is None else self._services.backlog.clock() + seconds
        return await self._set_hold(who, worker_id, SetHold(hold, reason, until))

    async def release_worker(self, who: Identity, worker_id: str) -> WorkerRecord:
        """Take a worker's hold away, whichever it is, and forget its strikes."""
        return await self._set_hold(who, worker_id, SetHold(None))

    async def _set_hold(self, who: Identity, worker_id: str, message: SetHold) -> WorkerRecord:
        require(who, Role.ADMIN)
        if await self._services.store.workers.get(worker_id) is None:
            raise NotFound(f"there is no worker {worker_id}")
        worker = await self._ask_worker(worker_id, message)
        return worker_record(worker, len(await self._services.store.jobs.live(worker_id)))

    async def why(self, who: Identity, job_id: str) -> Explanation:
        """What the job waits for, and for each worker the reason for or against it.

        For its requester and for who sees all.
        """
        job = await self._row(job_id)
        if not (access.may_command(who, job) or access.sees_all(who)):
            raise Forbidden(f"job {job_id} is not yours")
        return await self._explained(job)

    async def _explained(self, job: Job) -> Explanation:
        job_id = job.job_id
        backlog = self._services.backlog
        if not backlog.read(self._services.store):
            raise Unavailable("the scheduler is reading the queue")
        await backlog.look_up(self._services.store)
        said = explain(backlog.board, job_id, backlog.clock())
        if job.state in TERMINAL:
            said = replace(said, waits_for=(f"it is {job.state.value}",))
        return Explanation(
            job_id=job_id,
            status=job.state.value,
            may_start=said.may_start,
            waits_for=list(said.waits_for),
            workers=[
                WorkerVerdict(
                    worker_id=one.worker_id,
                    status=one.status,
                    suitable=one.suitable,
                    takes=one.has_room and said.may_start,
                    has_room=one.has_room,
                    reasons=list(one.reasons),
                    score=one.score,
                )
                for one in said.workers
            ],
            choice=said.choice,
            otherwise=None if said.may_start else said.first,
        )
