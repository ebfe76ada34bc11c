"""The cluster, straight on its database: what can be said and done without a coordinator."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import trio

from dffmpeg.actors.coordinator import lookups
from dffmpeg.actors.coordinator.store_settings import store_settings
from dffmpeg.admin.recording import record
from dffmpeg.admin.statuses import NotDone, NotThere
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.model.audit import AuditRequest
from dffmpeg.model.jobs import Job, JobState
from dffmpeg.model.scheduling.pause import Pause
from dffmpeg.store import InUse, Store, StoreSettings, StoreUnavailable, Upkeep, open_store, upkeeps
from dffmpeg.store.purging import purge
from dffmpeg.wire.administration import Overview
from dffmpeg.wire.audit import AuditList, audit_list
from dffmpeg.wire.janitor import JanitorRecord
from dffmpeg.wire.jobs import AttemptRecord, JobRecord, LogLine
from dffmpeg.wire.records import attempt_record, janitor_record, job_record, queue_state
from dffmpeg.wire.scheduling import QueueState
from dffmpeg.wire.workers import WorkerRecord

OURSELVES = "dffmpeg-admin"
"""Who changed something without a coordinator: it asks nobody for a name."""


class Database:
    """The methods are the coordinator's; each may raise `StoreError`.

    Args:
        place: the databases, for people.
    """

    def __init__(self, store: Store, place: str) -> None:
        self._store = store
        self.place = place

    async def overview(self, window: float) -> Overview:
        return await lookups.overview(self._store, window)

    async def jobs(
        self,
        *,
        window: float,
        limit: int,
        states: Sequence[str] = (),
        requester: str | None = None,
        labels: Sequence[str] = (),
        name: str | None = None,
        since_id: str | None = None,
    ) -> list[JobRecord]:
        rows = await self._store.jobs.list(
            requester_id=requester,
            since=time.time() - window,
            states=[JobState(state) for state in states] or None,
            labels=labels,
            name=name,
            limit=limit,
            before_id=since_id,
        )
        return [job_record(row) for row in rows]

    async def job(self, job_id: str) -> JobRecord:
        return job_record(await self._row(job_id))

    async def attempts(self, job_id: str) -> list[AttemptRecord]:
        return [attempt_record(one) for one in await self._store.jobs.attempts(job_id)]

    async def logs(self, job_id: str, since: str | None) -> tuple[list[LogLine], str | None]:
        job = await self._row(job_id)
        return await lookups.log_lines(self._store, job, since=since, limit=1000)

    async def purge(self, job_id: str) -> None:
        job = await self._row(job_id)
        if not await purge(self._store, job_id):
            raise NotDone(f"job {job_id} is {job.state}; only one that has ended can be purged")
        await record(self._store, "job.purge", job_id, requester=job.requester_id)

    async def workers(self) -> list[WorkerRecord]:
        return await lookups.workers(self._store, None)

    async def worker(self, worker_id: str) -> WorkerRecord:
        found = await lookups.worker(self._store, worker_id)
        if found is None:
            raise NotThere(f"there is no worker {worker_id}")
        return found

    async def remove_worker(self, worker_id: str) -> None:
        worker = await self.worker(worker_id)
        if not await self._store.workers.delete(worker_id):
            raise NotDone(f"worker {worker_id} is {worker.status}; only one that is offline can be removed")
        await record(self._store, "worker.remove", worker_id)

    async def queue(self) -> QueueState:
        return queue_state(await self._store.settings.pause())

    async def pause_queue(self, reason: str | None) -> QueueState:
        return await self._switch(Pause(paused=True, reason=reason, by=OURSELVES, at=time.time()))

    async def resume_queue(self) -> QueueState:
        return await self._switch(Pause(by=OURSELVES, at=time.time()))

    async def _switch(self, pause: Pause) -> QueueState:
        await self._store.settings.set_pause(pause)
        action = "queue.pause" if pause.paused else "queue.resume"
        await record(self._store, action, reason=pause.reason)
        return queue_state(pause)

    async def janitor_runs(self, limit: int) -> list[JanitorRecord]:
        return [janitor_record(run) for run in await self._store.janitor.runs(limit)]

    async def audit(self, request: AuditRequest) -> AuditList:
        found = await self._store.audit.page(replace(request, limit=request.limit + 1))
        return audit_list(found, request)

    async def _row(self, job_id: str) -> Job:
        job = await self._store.jobs.get(job_id)
        if job is None:
            raise NotThere(f"there is no job {job_id}")
        return job


async def existing(settings: StoreSettings) -> list[Upkeep]:
    """The databases of a configuration, which are all there: opening one that is not would make it, which is
    nobody's wish who asks what is in it.

    Raises:
        StoreUnavailable: one is not there yet, or cannot be reached.
    """
    databases = upkeeps(settings)
    for database in databases:
        if await trio.to_thread.run_sync(database.version) == 0:
            raise StoreUnavailable(f"{database.name}: there is no database yet")
    return databases


@asynccontextmanager
async def opened(config: CoordinatorConfig, *, writes: bool) -> AsyncIterator[Database]:
    """The databases of a coordinator's configuration, which are not migrated for it.

    Args:
        writes: whether jobs or workers are to be changed: then no other process may have them open, for a
            coordinator would not be told.

    Raises:
        InUse: one has.
        SchemaMismatch: they want to be migrated first.
    """
    settings = store_settings(config)
    databases = await existing(settings)
    for database in databases if writes else ():
        if await trio.to_thread.run_sync(database.in_use):
            raise InUse(
                f"{database.name} is open in another process, a coordinator perhaps:"
                " do it without --offline, or stop that first"
            )
    async with open_store(settings, upgrade=False) as store:
        yield Database(store, ", ".join(database.name for database in databases))
