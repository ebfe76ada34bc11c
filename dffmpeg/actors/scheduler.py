"""Scheduler: gives pending jobs to free slots. Woken by events, never polling."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from dffmpeg.actors.runtime import Actor, Timer
from dffmpeg.actors.services import Services
from dffmpeg.model import jobs
from dffmpeg.model.jobs import Job
from dffmpeg.model.matching import WorkerSlots, match
from dffmpeg.model.workers import Worker, WorkerState

PAGE = 64
"""Pending jobs that are looked at together."""


@dataclass(frozen=True, slots=True)
class Wake:
    """There may be a job, or a slot, that was not there before."""


class Scheduler(Actor[Wake]):
    """Its only state is the timer for the next job that becomes eligible, or whose patience ends."""

    mailbox_size = 1

    def __init__(self, services: Services) -> None:
        self._services = services
        self._timer: Timer | None = None
        self._due: float | None = None

    async def start(self) -> None:
        # Whatever woke an earlier instance may not have been served, and some may be overdue.
        self._due = 0.0
        self._services.wake_scheduler()

    async def handle(self, message: Wake) -> None:
        if self._due is not None and time.time() >= self._due:
            await self._expire(time.time())
        after: Job | None = None
        while True:
            now = time.time()
            workers = await self._online()
            slots = {worker.worker_id: worker.slots for worker in workers}
            outlook = await self._services.store.jobs.outlook(now, slots, PAGE, after=after)
            chosen = match(
                outlook.pending,
                [WorkerSlots(worker, outlook.loads.get(worker.worker_id, 0)) for worker in workers],
            )
            await self._assign(outlook.pending, chosen, now)
            if len(outlook.pending) < PAGE:
                # That was all; whatever came since has woken us again.
                break
            after = None if chosen else outlook.pending[-1]
        self._arm(outlook.next_moment, now)

    async def _expire(self, now: float) -> None:
        for job in await self._services.store.jobs.expired(now):
            expired = jobs.expire(job, now)
            if await self._services.store.jobs.apply(expired):
                await self._services.announce(expired.made(job))

    async def _online(self) -> list[Worker]:
        workers = await self._services.store.workers.list(None)
        return [worker for worker in workers if worker.state is WorkerState.ONLINE]

    async def _assign(self, pending: Sequence[Job], chosen: Sequence[tuple[str, str]], now: float) -> None:
        by_id = {job.job_id: job for job in pending}
        async with trio.open_nursery() as nursery:
            for job_id, worker_id in chosen:
                nursery.start_soon(self._give, by_id[job_id], worker_id, now)

    async def _give(self, job: Job, worker_id: str, now: float) -> None:
        assigned = jobs.assign(job, worker_id, now)
        if await self._services.store.jobs.apply(assigned):
            # From here on the job's actor drives it; it tells the worker.
            await self._services.jobs.ensure(job.job_id)
            await self._services.announce(assigned.made(job))

    def _arm(self, moment: float | None, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due = moment
        if moment is not None:
            self._timer = self.context.tell_after(max(0.001, moment - now), Wake())
