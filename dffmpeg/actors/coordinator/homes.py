"""Taking over workers and their live jobs, and letting go of them: what follows when homes move.

Whoever takes over begins from rows, as after a restart of a single coordinator; whoever lets go touches none.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import trio

from dffmpeg.actors.coordinator.directory import Directory
from dffmpeg.actors.coordinator.job.messages import Look
from dffmpeg.actors.coordinator.services import Services
from dffmpeg.actors.coordinator.worker_messages import Moved
from dffmpeg.model.jobs import LIVE
from dffmpeg.model.membership import new_homes
from dffmpeg.model.scheduling.entries import Entry
from dffmpeg.model.workers import WorkerState
from dffmpeg.store.workers import Move
from dffmpeg.supervisors import ChildStartFailed, SupervisorNotRunning

log = logging.getLogger(__name__)


async def rehome(services: Services) -> int:
    """Find homes for the workers of those that are gone, or about to be; the leader does it for all.

    Returns:
        How many have another home now.
    """
    membership, workers = services.membership, services.store.workers
    if not membership.shared or not membership.leading():
        return 0
    homes = await workers.looked_after()
    active = [one.coordinator_id for one in membership.members().values() if one.active]
    moves = {name: Move(homes[name], home) for name, home in new_homes(homes, active).items()}
    if not moves:
        return 0
    moved = await workers.move(moves)
    log.info("%d workers have another home", len(moved))
    await settle(services, moved)
    return len(moved)


async def settle(services: Services, worker_ids: Iterable[str]) -> None:
    """Workers' rows have changed, by somebody else's hand perhaps: look after those that are ours now, and
    let go of those that are not any more."""
    changed = list(worker_ids)
    if not changed:
        return
    membership = services.membership
    before = {worker_id for worker_id in changed if membership.minds(worker_id)}
    homes = await services.store.workers.homes(changed)
    for worker_id in changed:
        if worker_id not in homes:
            membership.forget_home(worker_id)
    membership.note_homes(homes)
    for worker_id in homes:
        if membership.minds(worker_id) and worker_id not in before:
            await _adopt(services, worker_id)
        elif worker_id in before and not membership.minds(worker_id):
            await _release(services, worker_id)


async def take_claimed(services: Services) -> None:
    """Look after workers that this coordinator has become home to because somebody asked."""
    for worker_id in services.membership.claimed():
        await _adopt(services, worker_id)


async def _adopt(services: Services, worker_id: str) -> None:
    worker = await services.store.workers.get(worker_id)
    if worker is not None and worker.state is not WorkerState.OFFLINE:
        await _ensure(services.workers, worker_id)
    await _look(services, await services.store.jobs.live_entries(worker_id))


async def _release(services: Services, worker_id: str) -> None:
    log.info("worker %s has another home", worker_id)
    actor = services.workers.find(worker_id)
    if actor is not None:
        await actor.tell(Moved())
    await _look(services, await services.store.jobs.live_entries(worker_id))


async def look_at(services: Services, job_ids: Iterable[str]) -> None:
    """Somebody else has changed jobs' rows: have those driven that are ours now, and no others."""
    wanted = set(job_ids)
    if not services.membership.minds_any():
        wanted = {job_id for job_id in wanted if services.jobs.find(job_id) is not None}
    found = await services.store.jobs.entries(wanted) if wanted else ()
    await _look(services, found)
    for job_id in wanted - {entry.job_id for entry in found}:
        await _look_again(services, job_id)


async def _look(services: Services, entries: Iterable[Entry]) -> None:
    async with trio.open_nursery() as nursery:
        for entry in entries:
            ours = entry.state in LIVE and services.membership.minds(entry.worker_id)
            if ours and services.jobs.find(entry.job_id) is None:
                nursery.start_soon(_ensure, services.jobs, entry.job_id)
            else:
                nursery.start_soon(_look_again, services, entry.job_id)


async def _ensure(directory: Directory[Any], identifier: str) -> None:
    try:
        await directory.ensure(identifier)
    except (ChildStartFailed, SupervisorNotRunning) as error:
        # One that cannot start must not keep the others from being heard of.
        log.warning("%s cannot be looked after yet, the janitor tries it again: %s", identifier, error)


async def _look_again(services: Services, job_id: str) -> None:
    actor = services.jobs.find(job_id)
    if actor is not None:
        await actor.tell(Look())
