"""Janitor: sweeps what no living actor owns.

After a start of the coordinator that is everything: the first sweep, before the
coordinator serves, adopts the live jobs and the workers that the database knows.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Literal, get_args

import trio

from dffmpeg.actors.runtime import Actor, Request
from dffmpeg.actors.services import Services
from dffmpeg.model import jobs
from dffmpeg.model.jobs import Job, JobState
from dffmpeg.model.workers import WorkerState

log = logging.getLogger(__name__)

Action = Literal["run_all", "clean_workers", "clean_jobs"]
ACTIONS: tuple[str, ...] = get_args(Action)


@dataclass(frozen=True, slots=True)
class Sweep(Request[None]):
    """Ask for a sweep now."""

    action: str


@dataclass(frozen=True, slots=True)
class _Tick:
    pass


class Janitor(Actor[Sweep | _Tick]):
    """Sweeps every `janitor.interval` seconds, and when asked to."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def start(self) -> None:
        self._began = trio.current_time()
        await self._sweep("run_all")
        self._rearm()

    def _rearm(self) -> None:
        self.context.tell_after(self._services.config.janitor.interval, _Tick())

    async def handle(self, message: Sweep | _Tick) -> None:
        match message:
            case Sweep():
                await self._sweep(message.action)
            case _Tick():
                await self._sweep("run_all")
                self._rearm()

    async def _sweep(self, action: str) -> None:
        if action != "clean_jobs":
            await self._adopt_workers()
        if action != "clean_workers":
            await self._adopt_jobs()
            await self._drop_abandoned()
        if action == "run_all":
            retention = self._services.config.janitor.message_retention
            await self._services.store.messages.prune(time.time() - retention)

    async def _adopt_workers(self) -> None:
        for worker in await self._services.store.workers.list(None):
            if worker.state is not WorkerState.OFFLINE:
                await self._services.workers.ensure(worker.worker_id)

    async def _adopt_jobs(self) -> None:
        for job in await self._services.store.jobs.live():
            if self._services.jobs.find(job.job_id) is None:
                await self._services.jobs.ensure(job.job_id)

    async def _drop_abandoned(self) -> None:
        """Cancel pending jobs whose client has gone; a live job's own actor watches its client."""
        now = time.time()
        # A client that could not reach a coordinator that was away has a whole lease to come back.
        up = trio.current_time() - self._began
        for job in await self._services.store.jobs.list(
            requester_id=None, since=None, states={JobState.PENDING}, limit=1000, before_id=None
        ):
            lease = job.heartbeat_interval * self._services.config.leases.client_factor
            if job.monitor and min(up, now - _last_word(job)) > lease:
                dropped = jobs.request_cancel(job, now, jobs.CLIENT_GONE)
                if await self._services.store.jobs.apply(dropped):
                    log.info("job %s canceled: %s", job.job_id, jobs.CLIENT_GONE)
                    await self._services.announce(dropped.made(job))


def _last_word(job: Job) -> float:
    return job.created_at if job.client_last_seen is None else job.client_last_seen
