"""The queue as a whole, and what the scheduler thinks: for administration."""

from __future__ import annotations

import time

from dffmpeg.actors.operations.base import require
from dffmpeg.actors.operations.workers import WorkerOperations
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.scheduling.pause import Pause
from dffmpeg.model.workers import Hold
from dffmpeg.wire import times
from dffmpeg.wire.scheduling import Explanation, QueueState
from dffmpeg.wire.workers import WorkerRecord


class SchedulingOperations(WorkerOperations):
    """Each may raise `Forbidden` and `NotFound`."""

    async def queue_state(self, who: Identity) -> QueueState:
        """Whether jobs are given to workers."""
        require(who, Role.ADMIN)
        return _state(await self._services.store.settings.pause())

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
        return _state(pause)

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
        raise NotImplementedError

    async def release_worker(self, who: Identity, worker_id: str) -> WorkerRecord:
        """Take a worker's hold away, whichever it is, and forget its strikes."""
        raise NotImplementedError

    async def why(self, who: Identity, job_id: str) -> Explanation:
        """What the job waits for, and for each worker the reason for or against it.

        For its requester and for administrators.
        """
        raise NotImplementedError


def _state(pause: Pause) -> QueueState:
    return QueueState(
        paused=pause.paused,
        reason=pause.reason,
        changed_by=pause.by,
        changed_at=None if pause.at is None else times.to_wire(pause.at),
    )
