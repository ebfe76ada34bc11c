"""What the janitor does, step by step. Each step says how many of what it did."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import trio

from dffmpeg.actors.coordinator.feed import KEPT, PAGE
from dffmpeg.actors.coordinator.homes import rehome
from dffmpeg.actors.coordinator.services import Services
from dffmpeg.model import jobs, transitions
from dffmpeg.model.janitor import Action
from dffmpeg.model.jobs import Job, JobState
from dffmpeg.model.samples import MINUTE, MINUTES_KEPT, QUARTER, QUARTERS_KEPT
from dffmpeg.model.workers import WorkerState
from dffmpeg.store.purging import purge

log = logging.getLogger(__name__)

BATCH = 200
"""Rows in one transaction: others' changes wait no longer than it takes to delete so many."""

PAGES = 256
"""Of the database's file, given back in one transaction."""

MANY = 1000
"""Batches in one thorough sweep."""

FORGOTTEN = 86_400.0
"""Seconds for which a coordinator that is gone is known."""

NONCE_SPARE = 60.0
"""Seconds for which a nonce is kept beyond its time."""

KEY_SPARE = 86_400.0
"""Seconds for which a key that was replaced is known as such: its use is counted as that."""

Counts = Mapping[str, int]


class Sweeps:
    """The steps; for one life of the janitor."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._began = trio.current_time()
        self._looked_at = ""

    def defer(self) -> None:
        """Somebody else sweeps: from when it was this one's turn nobody has been silent for long."""
        self._began = trio.current_time()

    async def take(self, step: Action, *, thorough: bool) -> Counts:
        """Take one step.

        Args:
            thorough: go on until nothing is left, at most `MANY` batches; else one batch of each kind.
        """
        batches = MANY if thorough else 1
        match step:
            case "clean_workers":
                return {"workers_moved": await rehome(self._services), **await self.adopt_workers()}
            case "clean_jobs":
                return {**await self.adopt_jobs(), "jobs_abandoned": await self._drop_abandoned()}
            case "messages":
                await self._forget_changes()
                await self._forget_nonces()
                return {"messages_removed": await self._prune_messages(batches)}
            case "successors":
                return {"jobs_healed": await self._heal_successors()}
            case "retention":
                return {
                    "jobs_removed": await self._remove_jobs(batches),
                    "outputs_removed": await self._remove_outputs(batches),
                    "runs_removed": await self._forget_runs(batches),
                    "samples_removed": await self._forget_samples(batches),
                    "sessions_removed": await self._forget_sessions(batches),
                    "audit_removed": await self._forget_audit(batches),
                }
            case "vacuum":
                return {"pages_freed": await self._vacuum()}
            case "run_all":
                raise AssertionError("it is all of the others")

    async def adopt(self) -> Counts:
        """What each coordinator does for the workers whose home it is."""
        return {**await self.adopt_workers(), **await self.adopt_jobs()}

    async def adopt_workers(self) -> Counts:
        """Have an actor for each worker whose home this is."""
        adopted = 0
        for worker in await self._services.store.workers.list(None):
            ours = self._services.membership.minds(worker.worker_id)
            lives = self._services.workers.find(worker.worker_id) is not None
            if ours and worker.state is not WorkerState.OFFLINE and not lives:
                await self._services.workers.ensure(worker.worker_id)
                adopted += 1
        return {"workers_adopted": adopted}

    async def adopt_jobs(self) -> Counts:
        """Have an actor for each live job of theirs."""
        adopted = 0
        for job in await self._services.store.jobs.live():
            ours = self._services.membership.minds(job.worker_id)
            if ours and self._services.jobs.find(job.job_id) is None:
                await self._services.jobs.ensure(job.job_id)
                adopted += 1
        return {"jobs_adopted": adopted}

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
                canceled = transitions.request_cancel(job, now, jobs.CLIENT_GONE)
                if await self._services.store.jobs.apply(canceled):
                    log.info("job %s canceled: %s", job.job_id, jobs.CLIENT_GONE)
                    await self._services.announce(canceled.made(job))
                    dropped += 1
        return dropped

    async def _prune_messages(self, batches: int) -> int:
        before = time.time() - self._services.config.janitor.message_retention
        return await _repeated(batches, lambda: self._services.store.messages.prune(before, BATCH))

    async def _forget_changes(self) -> None:
        """What coordinators told each other, and who of them has long been gone."""
        members = self._services.store.members
        if members.shared:
            now = time.time()
            await members.forget(now - FORGOTTEN)
            for _ in range(MANY):
                if await members.prune(now - KEPT, PAGE) < PAGE:
                    break

    async def _forget_nonces(self) -> None:
        """Of requests whose signatures are too old by now. Clocks of coordinators may differ a little."""
        nonces = self._services.store.nonces
        await _repeated(MANY, lambda: nonces.prune(time.time() - NONCE_SPARE, BATCH))

    async def _heal_successors(self) -> int:
        """Repair what jobs wait for, and have those that will never begin looked at."""
        healed = await self._services.store.jobs.heal(time.time(), MANY)
        if healed:
            log.warning("%d jobs waited for what is not there, or has ended", healed)
            self._services.wake_scheduler()
        self._services.look_at_successors()
        self._services.call_hooks()
        return healed

    async def _remove_jobs(self, batches: int) -> int:
        """Finished jobs whose time is over, with all that is kept of them."""
        jobs = self._services.store.jobs
        keep = self._services.config.retention.jobs

        async def batch() -> int:
            now = time.time()
            ids = await jobs.old(None if keep == "forever" else now - keep, now, BATCH)
            for job_id in ids:
                await purge(self._services.store, job_id)
            return len(ids)

        return await _repeated(batches, batch)

    async def _remove_outputs(self, batches: int) -> int:
        """What finished jobs wrote, where that is kept for a shorter time than they are."""
        keep = self._services.config.retention.output
        if keep == "forever":
            return 0
        streams = self._services.store.streams
        removed = 0
        if batches > 1:
            self._looked_at = ""
        for _ in range(batches):
            ids = await streams.kept(self._looked_at, BATCH)
            outdated = await self._services.store.jobs.outdated(ids, time.time() - keep)
            for job_id in outdated:
                await streams.delete(job_id)
            removed += len(outdated)
            # The next look goes on behind these, and after the last job begins anew.
            self._looked_at = ids[-1] if len(ids) == BATCH else ""
            if not self._looked_at:
                break
        return removed

    async def _forget_runs(self, batches: int) -> int:
        before = time.time() - self._services.config.retention.runs
        return await _repeated(batches, lambda: self._services.store.janitor.forget(before, BATCH))

    async def _forget_samples(self, batches: int) -> int:
        samples, now = self._services.store.samples, int(self._services.backlog.clock())
        removed = 0
        for step, kept in ((MINUTE, MINUTES_KEPT), (QUARTER, QUARTERS_KEPT)):
            removed += await _repeated(batches, partial(samples.forget, step, now - kept, BATCH))
        return removed

    async def _forget_sessions(self, batches: int) -> int:
        """Sessions that have expired, what can no longer be redeemed, and keys that were replaced."""
        store = self._services.store
        sessions = await _repeated(batches, lambda: store.sessions.forget(time.time(), BATCH))
        await _repeated(batches, lambda: store.tokens.forget(time.time(), BATCH))
        await _repeated(batches, lambda: store.identities.forget_keys(time.time() - KEY_SPARE, BATCH))
        return sessions

    async def _forget_audit(self, batches: int) -> int:
        keep = self._services.config.retention.audit
        if keep == "forever":
            return 0
        audit = self._services.store.audit
        return await _repeated(batches, lambda: audit.forget(time.time() - keep, BATCH))

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
