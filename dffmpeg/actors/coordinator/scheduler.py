"""Scheduler: gives pending jobs to free slots. Woken by events, never polling."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from dffmpeg.actors.coordinator.endurance import Endurance
from dffmpeg.actors.coordinator.services import Services
from dffmpeg.actors.coordinator.worker_messages import Judged
from dffmpeg.actors.runtime import Actor, Timer
from dffmpeg.model import transitions
from dffmpeg.model.jobs import JobState, Room
from dffmpeg.model.scheduling.board import Decision
from dffmpeg.model.scheduling.entries import Entry

log = logging.getLogger(__name__)

CENSUS = 60.0
"""Seconds between two looks at whether the store says the same as what the scheduler goes by."""

REFUSALS = 8
"""Rounds of which the store refuses something, after which there is a pause."""

PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Wake:
    """There may be a job, or a slot, that was not there before."""


class Scheduler(Actor[Wake]):
    """Decides on the backlog, and carries it out; each decision is a compare-and-set in the store.

    Where several coordinators share the store the leader decides. The others keep up, for the limits and
    explanations that they give, and so that they can take over.

    What it knows it has read from rows when it started.
    """

    mailbox_size = 1

    def __init__(self, services: Services) -> None:
        self._services = services
        self._endurance = Endurance(self, self._forget)
        self._timer: Timer | None = None
        self._warned: set[str] = set()

    async def start(self) -> None:
        await self._load()
        # Whatever woke an earlier instance may not have been served, and some may be overdue.
        self._services.wake_scheduler()

    async def _load(self) -> None:
        await self._services.backlog.load(self._services.store)
        self._census_at = trio.current_time() + CENSUS

    async def handle(self, message: Wake) -> None:
        await self._endurance.handle(message, self._wake)

    def _forget(self) -> bool:
        """What was decided and not carried out is read anew."""
        self._services.store.jobs.journal.miss()
        return True

    async def _wake(self, message: Wake) -> None:
        backlog, store = self._services.backlog, self._services.store
        if trio.current_time() >= self._census_at:
            self._census_at = trio.current_time() + CENSUS
            if not await backlog.agrees(store):
                await self._load()
        refused, paused = 0, False
        while not paused:
            await self._catch_up()
            if not self._services.membership.leading():
                backlog.board.advance(backlog.clock())
                break
            now = backlog.clock()
            made = backlog.board.decide(now)
            await self._expire(backlog.board.overdue(), now)
            if not made:
                break
            failed = await self._carry_out(made, now)
            for decision in failed:
                await backlog.distrust(store, decision)
            refused += bool(failed)
            paused = refused >= REFUSALS
        self._warn_of_shortfalls()
        self._services.dashboard.board_changed()
        self._arm(paused)

    def _warn_of_shortfalls(self) -> None:
        """Once for each: workers come and go, and who asks is told each time (`Overview.alerts`)."""
        for one in self._services.backlog.board.ledger.shortfalls():
            if one.resource not in self._warned:
                self._warned.add(one.resource)
                log.warning("%s", one)

    async def _carry_out(self, made: Sequence[Decision], now: float) -> list[Decision]:
        """Make assignments of decisions; returns those that the store refused."""
        refused: list[Decision] = []

        async def give(decision: Decision) -> None:
            if not await self._give(decision, now):
                refused.append(decision)

        async with trio.open_nursery() as nursery:
            for decision in made:
                nursery.start_soon(give, decision)
        return refused

    async def _give(self, decision: Decision, now: float) -> bool:
        entry = decision.entry
        room = Room(decision.at_most)
        assigned = transitions.assign(entry, decision.worker_id, now, resources=decision.charge, room=room)
        if not await self._services.store.jobs.apply(assigned):
            return False
        # From here on the job's actor drives it; it tells the worker. Where that is another coordinator's,
        # its feed has heard of it by now.
        if self._services.membership.minds(decision.worker_id):
            await self._services.jobs.ensure(entry.job_id)
        await self._services.announce_entry(entry)
        return True

    async def _expire(self, overdue: Sequence[Entry], now: float) -> None:
        for entry in overdue:
            job = await self._services.store.jobs.get(entry.job_id)
            if job is None or job.state is not JobState.PENDING:
                continue
            expired = transitions.expire(job, now)
            if await self._services.store.jobs.apply(expired):
                await self._services.announce(expired.made(job))

    async def _catch_up(self) -> None:
        """Take in what has happened, and what it says of workers: who has just failed gets nothing first."""
        backlog, store = self._services.backlog, self._services.store
        while True:
            if not backlog.read(store):
                await self._load()
            await backlog.look_up(store)
            judgements = backlog.judgements()
            if not judgements:
                return
            async with trio.open_nursery() as nursery:
                for one in judgements:
                    judged = Judged(one.job_id, one.failure, one.detail)
                    nursery.start_soon(self._services.judge, one.worker_id, judged)

    def _arm(self, paused: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
        now = self._services.backlog.clock()
        moment = now + PAUSE if paused else self._services.backlog.board.next_moment(now)
        wait = self._census_at - trio.current_time()
        if moment is not None:
            wait = min(wait, moment - now)
        self._timer = self.context.tell_after(max(0.001, wait), Wake())
