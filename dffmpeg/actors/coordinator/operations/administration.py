"""What administrators do with jobs and workers; some of it is their requesters' business too."""

from __future__ import annotations

import time

import msgspec
from ulid import ULID

from dffmpeg.actors.coordinator import lookups
from dffmpeg.actors.coordinator.hindrances import judged
from dffmpeg.actors.coordinator.operations.base import TRIES, require
from dffmpeg.actors.coordinator.operations.overview import OverviewOperations
from dffmpeg.actors.coordinator.operations.submission import SubmissionOperations
from dffmpeg.actors.coordinator.refusals import Conflict, Forbidden, NotFound, TooMany, Unavailable
from dffmpeg.model import access, jobs, priorities
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.jobs import Job, JobState
from dffmpeg.model.resubmission import resubmitted
from dffmpeg.model.workers import WorkerState
from dffmpeg.shim.descriptors import has_standard_input
from dffmpeg.store.errors import Duplicate
from dffmpeg.store.purging import purge
from dffmpeg.wire import codec, descriptors
from dffmpeg.wire.administration import Overview, RetryRequest
from dffmpeg.wire.jobs import JobRecord, StatusReply
from dffmpeg.wire.records import job_record, launch_of


class AdministrationOperations(SubmissionOperations, OverviewOperations):
    """Each may raise `NotFound`, `Forbidden`, `Unavailable`, and `Conflict` where the state does
    not allow it."""

    async def retry(self, who: Identity, job_id: str, request: RetryRequest) -> JobRecord:
        """Queue the request of a job that has ended once more, as a new job of the same requester.

        Repeating it with the same `request.job_id` changes nothing.

        Returns:
            The new job, which is durable and belongs to nobody who is attached.

        Raises:
            TooMany: as many jobs are in the queue as there may be.
        """
        job = await self._commanded(who, job_id)
        if job.state not in jobs.TERMINAL:
            raise Conflict(f"job {job_id} is {job.state}; only one that has ended can be retried")
        again = resubmitted(job, request.job_id or str(ULID()), time.time(), launch=_detached(job))
        store = self._services.store
        try:
            with self._services.backlog.admitted(store, again):
                stored = await store.jobs.add(again)
        except (Duplicate, TooMany):
            # What was taken before is not refused when it is asked for again.
            known = await store.jobs.get(again.job_id)
            if known is None:
                raise
            if known.retry_of != job_id:
                raise Conflict(f"there is another job {again.job_id}") from None
            return job_record(known)
        self._services.follow_up(stored)
        self._services.wake_scheduler()
        return job_record(await judged(self._services, stored))

    async def set_priority(self, who: Identity, job_id: str, wanted: int | str) -> JobRecord:
        """Change a pending job's priority; only administrators may raise one.

        Args:
            wanted: a number, or the name of a class of them.

        Raises:
            BadInput: there is no such class.
        """
        priority = priorities.resolve(wanted, self._services.config.scheduling.classes)
        for _ in range(TRIES):
            job = await self._commanded(who, job_id)
            if job.state is not JobState.PENDING:
                raise Conflict(f"job {job_id} is {job.state}; only a pending one has a use for a priority")
            if priority > job.priority and who.role is not Role.ADMIN:
                raise Forbidden(
                    f"only an administrator may raise a priority; that of {job_id} is {job.priority}"
                )
            if await self._services.store.jobs.set_priority(
                job_id, priority, expected=job.priority, now=time.time()
            ):
                self._services.wake_scheduler()
                return job_record(await self._row(job_id))
        raise Unavailable(f"job {job_id} changes too fast")

    async def purge(self, who: Identity, job_id: str) -> StatusReply:
        """Forget a job that has ended, its attempts and its output."""
        require(who, Role.ADMIN)
        job = await self._row(job_id)
        if not await purge(self._services.store, job_id):
            raise Conflict(f"job {job_id} is {job.state}; only one that has ended can be purged")
        return StatusReply()

    async def remove_worker(self, who: Identity, worker_id: str) -> StatusReply:
        """Forget a worker that is offline; if it registers again it is known again."""
        require(who, Role.ADMIN)
        worker = await self._services.store.workers.get(worker_id)
        if worker is None:
            raise NotFound(f"there is no worker {worker_id}")
        if not await self._services.store.workers.delete(worker_id):
            state = WorkerState.ONLINE if worker.state is WorkerState.OFFLINE else worker.state
            raise Conflict(f"worker {worker_id} is {state}; only one that is offline can be removed")
        return StatusReply()

    async def cluster(self, who: Identity, window: float) -> Overview:
        """The coordinator's health, and what its database has.

        Args:
            window: how far back failed jobs are shown, seconds.
        """
        require(who, Role.ADMIN, Role.VIEWER)
        health = await self.health(deep=True)
        return msgspec.structs.replace(
            await lookups.overview(self._services.store, window),
            status=health["status"],
            databases=health["databases"],
            transports=health["transports"],
            alerts=[str(one) for one in self._services.backlog.board.ledger.shortfalls()],
        )

    async def _commanded(self, who: Identity, job_id: str) -> Job:
        job = await self._row(job_id)
        if not access.may_command(who, job):
            raise Forbidden(f"job {job_id} is not yours")
        return job


def _detached(job: Job) -> bytes | None:
    launch = launch_of(job)
    if launch is None:
        return None
    standard_input = {one.number: one.kind for one in launch.descriptors}.get(0)
    try:
        if standard_input in ("pipe", "terminal") and has_standard_input(
            job.binary_name.encode(), list(job.arguments)
        ):
            raise ValueError("it read its standard input")
        return codec.encode(descriptors.detached(launch))
    except ValueError as error:
        raise Conflict(
            f"job {job.job_id} cannot be retried: {error}, and that was not kept; have its caller call again"
        ) from None
