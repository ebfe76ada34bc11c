"""Feed: what other coordinators have changed becomes news here, as if it had been changed here."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

import trio

from dffmpeg.actors.coordinator import homes
from dffmpeg.actors.coordinator.members import Refresh
from dffmpeg.actors.coordinator.outages import Outage
from dffmpeg.actors.coordinator.services import Services
from dffmpeg.actors.runtime import Actor, MailboxFull
from dffmpeg.model.windows import Window
from dffmpeg.store import StoreUnavailable
from dffmpeg.store.journal import Change, JobChanged, MemberChanged, MessageStored, WorkerChanged
from dffmpeg.store.members import Told
from dffmpeg.transports.http_polling_server import HttpPollingDownlink

log = logging.getLogger(__name__)

PAGE = 2000

LATE = 5.0
"""Seconds for which a change may become visible behind one with a higher number."""

THOROUGH = 1.0
"""Seconds between two looks for such."""

BEFORE = 1000
"""Numbers that are looked at again at the start: their changes may have become visible since."""

KEPT = 60.0
"""Seconds for which the others' changes are there to be read."""


class Feed(Actor[None]):
    """Reads in the order of numbers; what it could not hand on is read once more."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store
        self._led = False
        self._others: frozenset[str] = frozenset()
        self._deaf = Outage(log, "what other coordinators change cannot be read")
        self._homeless = Outage(log, "workers cannot be given other homes")

    async def run(self) -> None:
        if not self._services.membership.shared:
            self.context.ready()
            await self.context.stopping.wait()
            return
        now = trio.current_time()
        self._window = Window(max(0, await self._store.members.last() - BEFORE), LATE)
        self._read_at, self._thorough_at = now, now
        self.context.ready()
        async with (
            self._store.members.listening(self._services.membership.me) as ear,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self._watch_members)
            while True:
                await self._look()
                await ear(self._thorough_at - trio.current_time())

    # Changes of rows

    async def _look(self) -> None:
        now = trio.current_time()
        thorough = now >= self._thorough_at
        try:
            await self._read(thorough=thorough)
            self._deaf.over()
            if thorough:
                # Only now: what had become visible by then was seen.
                self._window.settle(now)
        except StoreUnavailable as error:
            self._deaf.failed(error)
        if thorough:
            self._thorough_at = now + THOROUGH

    async def _read(self, *, thorough: bool) -> None:
        own, place = self._services.membership.me, self._window.settled
        while True:
            seen = {} if thorough else self._window.newest
            page = await self._store.members.told(own, place, seen, PAGE)
            now = trio.current_time()
            if now - self._read_at > KEPT / 2:
                await self._begin_anew()
            self._read_at = now
            await self._hand_on([one for one in page if self._window.fresh(one.seq)])
            self._window.note(((one.coordinator_id, one.seq) for one in page), now)
            if len(page) < PAGE:
                return
            place = page[-1].seq

    async def _begin_anew(self) -> None:
        """Some of what was told is not there any more: look at all that it could have been about."""
        log.warning("what other coordinators changed was not read for %g s: all is read anew", KEPT / 2)
        await homes.settle(self._services, await self._store.workers.homes())
        self._store.jobs.journal.miss()
        self._services.changed.ring_all()
        self._wake()

    async def _hand_on(self, told: Sequence[Told]) -> None:
        if not told:
            return
        services = self._services
        jobs, workers = dict[str, None](), dict[str, None]()
        changes: list[Change] = []
        paused = False
        for one in told:
            match one.change:
                case JobChanged(job_id):
                    jobs[job_id] = None
                    changes.append(one.change)
                case WorkerChanged(worker_id):
                    workers[worker_id] = None
                    changes.append(one.change)
                case MemberChanged():
                    self._look_at_members()
                case MessageStored(recipient_id):
                    self._ring_polls(recipient_id)
                case _:
                    paused = True
        if paused:
            changes.append(await self._store.settings.pause())
        await homes.settle(services, workers)
        self._store.jobs.journal.extend(changes)
        for job_id in jobs:
            services.changed.ring(job_id)
        if workers:
            services.review_hindrances()
        self._wake()
        await homes.look_at(services, jobs)

    def _wake(self) -> None:
        self._services.wake_scheduler()
        self._services.look_at_successors()
        self._services.call_hooks()

    def _ring_polls(self, recipient_id: str) -> None:
        polling = self._services.downlinks.get("http_polling")
        if isinstance(polling, HttpPollingDownlink):
            polling.ring(recipient_id)

    def _look_at_members(self) -> None:
        with suppress(MailboxFull):
            self._services.members.tell_nowait(Refresh())

    # Changes of members

    async def _watch_members(self) -> None:
        membership = self._services.membership
        while True:
            changed = membership.changed()
            leading = membership.leading()
            there = frozenset(name for name, one in membership.members().items() if one.active)
            try:
                await homes.take_claimed(self._services)
                if leading and (not self._led or there != self._others):
                    await self._lead()
            except StoreUnavailable as error:
                self._homeless.failed(error)
                await trio.sleep(THOROUGH)
                continue
            self._homeless.over()
            self._led, self._others = leading, there
            await changed.wait()

    async def _lead(self) -> None:
        if not self._led:
            log.info("this coordinator leads")
        await homes.rehome(self._services)
        self._services.review_hindrances()
        self._wake()
