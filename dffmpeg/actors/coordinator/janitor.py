"""Janitor: sweeps what no living actor owns, and removes what was kept for long enough.

After a start of the coordinator that is everything: the first sweep, before the
coordinator serves, adopts the live jobs and the workers that the database knows.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import trio
from ulid import ULID

from dffmpeg.actors.coordinator.endurance import Endurance
from dffmpeg.actors.coordinator.services import Services
from dffmpeg.actors.coordinator.sweeps import Sweeps
from dffmpeg.actors.runtime import Actor, Request
from dffmpeg.model.janitor import PERIODIC, Action, JanitorRun

log = logging.getLogger(__name__)

FIRST: Sequence[Action] = ("clean_workers", "clean_jobs", "successors")
"""What has to be done before the coordinator serves."""

OFTEN: Sequence[Action] = (*FIRST, "messages", "retention")
"""At each interval; `vacuum` has one of its own."""


@dataclass(frozen=True, slots=True)
class Sweep(Request[JanitorRun]):
    """Ask for a sweep now; answered with the run as it was recorded."""

    action: Action


@dataclass(frozen=True, slots=True)
class _Tick:
    pass


class Janitor(Actor[Sweep | _Tick]):
    """Sweeps every `janitor.interval` seconds, and when asked to."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._endurance = Endurance(self)

    async def start(self) -> None:
        self._sweeps = Sweeps(self._services)
        self._vacuum_due = trio.current_time() + self._services.config.janitor.vacuum_interval
        await self._sweep(FIRST)
        self._rearm()

    def _rearm(self) -> None:
        self.context.tell_after(self._services.config.janitor.interval, _Tick())

    async def handle(self, message: Sweep | _Tick) -> JanitorRun | None:
        return await self._endurance.handle(message, self._take)

    async def _take(self, message: Sweep | _Tick) -> JanitorRun | None:
        match message:
            case Sweep(action=action):
                steps = [*OFTEN, "vacuum"] if action == "run_all" else [action]
                return await self._run(action, steps, thorough=True)
            case _Tick():
                await self._sweep(self._due())
                self._rearm()
        return None

    async def _sweep(self, steps: Sequence[Action]) -> None:
        """The leader sweeps for all; the others look after what is theirs."""
        if self._services.membership.leading():
            await self._run(PERIODIC, steps, thorough=False)
        else:
            self._sweeps.defer()
            await self._sweeps.adopt()

    def _due(self) -> Sequence[Action]:
        if trio.current_time() < self._vacuum_due:
            return OFTEN
        self._vacuum_due = trio.current_time() + self._services.config.janitor.vacuum_interval
        return [*OFTEN, "vacuum"]

    async def _run(self, action: str, steps: Sequence[Action], *, thorough: bool) -> JanitorRun:
        """Take some steps, recorded.

        Args:
            thorough: whether all that is found is done, and not only as much as fits between two sweeps.
        """
        records = self._services.store.janitor
        run = JanitorRun(run_id=str(ULID()), action=action, started_at=time.time())
        await records.record(run)
        counts: Counter[str] = Counter()
        for step in steps:
            counts.update(await self._sweeps.take(step, thorough=thorough))
        run = replace(run, ended_at=time.time(), result=dict(counts))
        await records.record(run)
        done = ", ".join(f"{name} {number}" for name, number in counts.items() if number)
        if done:
            log.info("janitor, %s: %s", action, done)
        return run
