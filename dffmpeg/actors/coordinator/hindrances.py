"""Telling submitters at once that no known worker could ever run their job."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from dffmpeg.actors.coordinator.endurance import Endurance
from dffmpeg.actors.runtime import Actor
from dffmpeg.model import transitions
from dffmpeg.model.jobs import Job, JobState
from dffmpeg.model.scheduling.entries import Shape
from dffmpeg.model.suitability import eased, hindrance
from dffmpeg.model.workers import Worker

if TYPE_CHECKING:
    from dffmpeg.actors.coordinator.services import Services

STRETCH = 500
"""Entries that are looked at before others have a turn."""

_REVIEW_SECONDS = 60.0
"""Between two reviews that nobody asked for: others may change workers too."""

_KNOWN_SECONDS = 5.0


class KnownWorkers:
    """The rows of all workers, for some seconds: they are large, and every submission asks for them."""

    def __init__(self) -> None:
        self._rows: Sequence[Worker] = ()
        self._until = 0.0
        self._changes = 0

    def forget(self) -> None:
        """A worker has changed."""
        self._until = 0.0
        self._changes += 1

    async def rows(self, services: Services) -> Sequence[Worker]:
        """All workers, also those that are offline."""
        if time.monotonic() >= self._until:
            changes = self._changes
            rows = await services.store.workers.list(None)
            if changes != self._changes:
                return rows
            self._rows, self._until = rows, time.monotonic() + _KNOWN_SECONDS
        return self._rows


async def judged(services: Services, job: Job) -> Job:
    """A pending job that was just added, with what hinders it, or as its submitter wants it then."""
    workers = await services.known_workers.rows(services)
    why = hindrance(job, workers)
    return job if why is None else await _note(services, job, why, workers)


async def _note(services: Services, job: Job, why: str | None, workers: Sequence[Worker]) -> Job:
    if why is not None and job.rules.impossible == "run":
        easy = eased(job)
        if hindrance(easy, workers) is None:
            await services.store.jobs.ease(job.job_id, easy.needs)
            services.wake_scheduler()
            return easy
    if why is not None and job.rules.impossible == "fail":
        given_up = transitions.impossible(job, time.time(), why)
        if await services.store.jobs.apply(given_up):
            made = given_up.made(job)
            await services.announce(made)
            return made
        return await services.store.jobs.get(job.job_id) or job
    await services.store.jobs.set_hindrance(job.job_id, why)
    services.changed.ring(job.job_id)
    return await services.store.jobs.get(job.job_id) or job


@dataclass(frozen=True, slots=True)
class Review:
    """Workers have changed: what was impossible may be possible now, or the other way round."""


class Hindrances(Actor[Review]):
    """Keeps the hindrances of pending jobs true.

    What is asked of workers is asked once for all jobs of a shape, and rows are read only of jobs
    that are hindered, or were: a long queue of jobs that can run costs a walk through the backlog.
    """

    mailbox_size = 1

    def __init__(self, services: Services) -> None:
        self._services = services
        self._endurance = Endurance(self)

    async def start(self) -> None:
        self.context.tell_after(0, Review())
        self.context.nursery.start_soon(self._now_and_then)

    async def _now_and_then(self) -> None:
        while True:
            await trio.sleep(_REVIEW_SECONDS)
            self._services.review_hindrances()

    async def handle(self, message: Review) -> None:
        await self._endurance.handle(message, self._look)

    async def _look(self, message: Review) -> None:
        del message
        if not self._services.membership.leading():
            return
        workers = await self._services.known_workers.rows(self._services)
        found: dict[Shape, str | None] = {}
        pending = await self._pending()
        hindered = await self._services.store.jobs.hindered()
        for number, (job_id, shape) in enumerate(pending.items()):
            if number % STRETCH == 0:
                await trio.lowlevel.checkpoint()
            if shape not in found:
                found[shape] = hindrance(shape.job, workers)
            if found[shape] != hindered.get(job_id):
                await self._review(job_id, found[shape], workers)

    async def _pending(self) -> dict[str, Shape]:
        entries = list(self._services.backlog.board.entries.values())
        pending: dict[str, Shape] = {}
        for number, entry in enumerate(entries):
            if number % STRETCH == 0:
                await trio.lowlevel.checkpoint()
            if entry.state is JobState.PENDING:
                pending[entry.job_id] = entry.shape
        return pending

    async def _review(self, job_id: str, why: str | None, workers: Sequence[Worker]) -> None:
        job = await self._services.store.jobs.get(job_id)
        if job is not None and job.state is JobState.PENDING and job.hindrance != why:
            await _note(self._services, job, why, workers)
