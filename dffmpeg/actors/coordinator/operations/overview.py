"""How the coordinator is: the dashboard's data, its health, and sweeps on request."""

from __future__ import annotations

import time
from typing import Any, cast

from dffmpeg import __version__
from dffmpeg.actors.coordinator import lookups
from dffmpeg.actors.coordinator.janitor import Sweep
from dffmpeg.actors.coordinator.operations.base import require
from dffmpeg.actors.coordinator.operations.workers import WorkerOperations
from dffmpeg.errors import BadInput
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.janitor import ACTIONS, Action
from dffmpeg.store import StoreError
from dffmpeg.wire import codec
from dffmpeg.wire.janitor import JanitorRecord
from dffmpeg.wire.records import janitor_record, job_record

SHOWN = 200
"""Jobs that the overview shows at most, newest first."""

SWEEP_PATIENCE = 600.0


class OverviewOperations(WorkerOperations):
    """Reads; only the sweep changes anything."""

    async def run_janitor(self, who: Identity, action: str) -> JanitorRecord:
        """Ask for a sweep and wait for its end.

        Args:
            action: one of `dffmpeg.model.janitor.ACTIONS`.

        Returns:
            What it did, as it was recorded.
        """
        require(who, Role.ADMIN)
        if action not in ACTIONS:
            raise BadInput(f"action: expected one of {', '.join(ACTIONS)}, got {action!r}")
        request = Sweep(cast("Action", action))
        return janitor_record(await self._services.janitor.ask(request, timeout=SWEEP_PATIENCE))

    async def janitor_runs(self, who: Identity, *, limit: int) -> list[JanitorRecord]:
        """The janitor's latest runs, newest first."""
        require(who, Role.ADMIN, Role.VIEWER)
        return [janitor_record(run) for run in await self._services.store.janitor.runs(limit)]

    async def overview(self, window: float) -> dict[str, Any]:
        """Workers, how loaded they are, the jobs of the window, and how many there are by state."""
        now = time.time()
        workers = await lookups.workers(self._services.store, now - window)
        jobs = await self._services.store.jobs.list(
            requester_id=None, since=now - window, states=None, limit=SHOWN, before_id=None
        )
        counts = await self._services.store.jobs.counts()
        return {
            "workers": codec.to_builtins(workers),
            "worker_load": {worker.worker_id: worker.used_slots for worker in workers},
            "jobs": [codec.to_builtins(job_record(job)) for job in jobs],
            "counts": {state.value: number for state, number in counts.items()},
        }

    async def health(self, *, deep: bool) -> dict[str, Any]:
        """`status` is `online`, `unhealthy` or `shutdown`; with `deep` also of each database and downlink."""
        answer: dict[str, Any] = {"status": "online", "version": __version__}
        if deep:
            database = await self._database_health()
            answer["databases"] = {"default": database}
            answer["transports"] = self._services.downlinks.health()
            if database != "online" or "unhealthy" in answer["transports"].values():
                answer["status"] = "unhealthy"
        if self._services.outage.lasts:
            answer["status"] = "unhealthy"
        if self._services.leaving.is_set():
            answer["status"] = "shutdown"
        return answer

    async def _database_health(self) -> str:
        try:
            # One look at the index: anybody may ask for this, however many jobs there are.
            await self._services.store.jobs.worker_of("")
        except StoreError as error:
            return f"unhealthy: {error}"
        return "online"
