"""What all operations stand on: the services, and reaching the actor of a live job."""

from __future__ import annotations

from typing import TypeVar

from dffmpeg.actors.coordinator.refusals import Conflict, Elsewhere, Forbidden, NotFound, Unavailable
from dffmpeg.actors.coordinator.services import Services
from dffmpeg.actors.runtime import ActorStopped, Request
from dffmpeg.model import access, instances, jobs
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.jobs import Job

R = TypeVar("R")

PATIENCE = 30.0
"""Seconds that an operation waits for an actor's answer, beyond what it asked to be held."""

TRIES = 5
"""How often an operation begins anew when the actor that it spoke to ended."""


class NotLive(Exception):
    """The job has no actor; `job` is its row."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.job_id)
        self.job = job


class AtHome(Elsewhere):
    """The job is live, and another coordinator has its actor; `job` is its row."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"job {job.job_id} is looked after by another coordinator")
        self.job = job


class Base:
    """Holds the services; the operations derive from it."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def _row(self, job_id: str) -> Job:
        job = await self._services.store.jobs.get(job_id)
        if job is None:
            raise NotFound(f"there is no job {job_id}")
        return job

    async def _visible(self, who: Identity, job_id: str) -> Job:
        job = await self._row(job_id)
        if not access.may_see(who, job):
            raise Forbidden(f"job {job_id} is not yours")
        return job

    async def _require_instance(self, worker_id: str, instance: str | None) -> None:
        worker = await self._services.store.workers.get(worker_id)
        if not instances.same(worker, instance) and worker is not None:
            raise Conflict(f"another process is worker {worker_id}")

    async def _ask(self, job_id: str, request: Request[R], *, hold: float = 0.0) -> R:
        """The answer of a live job's actor.

        Args:
            hold: how long the actor may keep the answer back, seconds.

        Raises:
            NotLive: the job is pending or has ended, so it has no actor.
            Elsewhere: another coordinator has its actor.
        """
        for _ in range(TRIES):
            actor = self._services.jobs.find(job_id)
            if actor is None:
                job = await self._row(job_id)
                if job.state not in jobs.LIVE:
                    raise NotLive(job)
                if not self._services.membership.minds(job.worker_id):
                    raise AtHome(job)
            try:
                actor = actor or await self._services.jobs.reach(job_id)
                return await actor.ask(request, timeout=hold + PATIENCE)
            except ActorStopped:
                # It ended between our look and our question.
                continue
        raise Unavailable(f"job {job_id} has no actor just now")

    async def _report(self, who: Identity, job_id: str, request: Request[R], *, hold: float = 0.0) -> R:
        """The answer to a worker's report, which only a live job takes.

        Args:
            hold: as in `_ask`.

        Raises:
            Conflict: the job is not live, or it is another worker's; nothing was changed.
            Elsewhere: as `_ask`.
        """
        try:
            return await self._ask(job_id, request, hold=hold)
        except NotLive as error:
            raise Conflict(f"job {job_id} is {error.job.state}; nothing was changed") from None
        except AtHome as error:
            if error.job.worker_id != who.client_id:
                # Its worker's coordinator would say the same.
                raise Conflict(f"job {job_id} is not {who.client_id}'s any more") from None
            raise


READERS = (Role.CLIENT, Role.ADMIN, Role.VIEWER)
"""Who may ask how things stand; of jobs a client is told its own."""


def require(who: Identity, *roles: Role) -> None:
    """Refuse an identity without one of these roles.

    Raises:
        Forbidden: the identity has another role.
    """
    if who.role not in roles:
        raise Forbidden(f"{who.client_id} is a {who.role}; this needs {' or '.join(roles)}")
