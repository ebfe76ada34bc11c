"""What the janitor does, step by step. Each step says how many of what it did."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping

import trio

from dffmpeg.actors.services import Services
from dffmpeg.model import jobs
from dffmpeg.model.janitor import Action
from dffmpeg.model.jobs import Job, JobState
from dffmpeg.model.workers import WorkerState

log = logging.getLogger(__name__)

BATCH = 200
"""Rows in one transaction: others' changes wait no longer than it takes to delete so many."""

PAGES = 256
"""Of the database's file, given back in one transaction."""

MANY = 1000
"""Batches in one thorough sweep."""

Counts = Mapping[str, int]


class Sweeps:
    """The steps; for one life of the janitor."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._began = trio.current_time()

    async def take(self, step: Action, *, thorough: bool) -> Counts:
        """Take one step.

        Args:
            thorough: go on until nothing is left, at most `MANY` batches; else one batch of each kind.
        """
        batches = MANY if thorough else 1
        match step:
            case "clean_workers":
                return {"workers_adopted": await self._adopt_workers()}
            case "clean_jobs":
                return {
                    "jobs_adopted": await self._adopt_jobs(),
                    "jobs_abandoned": await self._drop_abandoned(),
                }
            case "messages":
                return {"messages_removed": await self._prune_messages(batches)}
            case "retention":
                return {"runs_removed": await self._forget_runs(batches)}
            case "vacuum":
                return {"pages_freed": await self._vacuum()}
            case "successors" | "run_all":
                return {}

    async def _adopt_workers(self) -> int:
        adopted = 0
        for worker in await self._services.store.workers.list(None):
            lives = self._services.workers.find(worker.worker_id) is not None
            if worker.state is not WorkerState.OFFLINE and not lives:
                await self._services.workers.ensure(worker.worker_id)
                adopted += 1
        return adopted

    async def _adopt_jobs(self) -> int:
        adopted = 0
        for job in await self._services.store.jobs.live():
            if self._services.jobs.find(job.job_id) is None:
                await self._services.jobs.ensure(job.job_id)
                adopted += 1
        return adopted

    async def _drop_abandoned(self) -> int:
        """Cancel pending jobs whose client has gone; a live job's own actor watches its client."""
        now = time.time()
        dropped = 0
        # A client that could not reach a coordinator that was away has a whole lease to come back.
        up = trio.current_time() - self._began
        for job in await self._services.store.jobs.list(
            requester_id=None, since=None, states={JobState.PENDING}, limit=1000, before_id=None
        ):
            lease = job.heartbeat_interval * self._services.config.leases.client_factor
            if job.monitor and min(up, now - _last_word(job)) > lease:
                canceled = jobs.request_cancel(job, now, jobs.CLIENT_GONE)
                if await self._services.store.jobs.apply(canceled):
                    log.info("job %s canceled: %s", job.job_id, jobs.CLIENT_GONE)
                    await self._services.announce(canceled.made(job))
                    dropped += 1
        return dropped

    async def _prune_messages(self, batches: int) -> int:
        before = time.time() - self._services.config.janitor.message_retention
        return await _repeated(batches, lambda: self._services.store.messages.prune(before, BATCH))

    async def _forget_runs(self, batches: int) -> int:
        before = time.time() - self._services.config.retention.runs
        return await _repeated(batches, lambda: self._services.store.janitor.forget(before, BATCH))

    async def _vacuum(self) -> int:
        records = self._services.store.janitor
        freed = 0
        for _ in range(MANY):
            found = await records.vacuum(PAGES)
            freed += found
            if found < PAGES:
                break
        await records.optimize()
        return freed


def _last_word(job: Job) -> float:
    return job.created_at if job.client_last_seen is None else job.client_last_seen


async def _repeated(batches: int, remove: Callable[[], Awaitable[int]]) -> int:
    """Remove batch after batch, until one finds less than it may take."""
    removed = 0
    for _ in range(batches):
        found = await remove()
        removed += found
        if found < BATCH:
            break
    return removed
