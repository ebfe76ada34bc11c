"""Recorder: writes down how busy it was, minute by minute, and keeps what the overview stands on true."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from dffmpeg.actors.coordinator.dashboard.record import TICK
from dffmpeg.actors.coordinator.outages import Outage
from dffmpeg.actors.runtime import Actor
from dffmpeg.model.samples import MINUTE, QUARTER, begin, quarters, total
from dffmpeg.store import StoreUnavailable

if TYPE_CHECKING:
    from dffmpeg.actors.coordinator.services import Services

log = logging.getLogger(__name__)

AGAIN = 2 * QUARTER
"""Seconds for which minutes are looked at again when a quarter of an hour is made of them: other coordinators
may be late."""

ABSENT = 86_400
"""The same after a start. Further back some of a quarter's minutes may have been removed."""

FIRST_COUNT = 1.0
"""Seconds that a start waits for the jobs to be counted: a million take a tenth of that."""

FAREWELL = 2.0
"""Seconds that the last minute may take to be written when the coordinator stops."""


class Recorder(Actor[None]):
    """Each coordinator records what it counted; the leader makes quarters of an hour of all minutes."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._record = services.dashboard.record
        self._outage = Outage(log, "what was counted cannot be written down")
        self._condensed: int | None = None

    async def run(self) -> None:
        self._services.dashboard.overview.queue_is(await self._services.store.settings.pause())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tick)
            nursery.start_soon(self._count)
            # What comes behind it answers with the counts, so that nobody who asks waits for them.
            with trio.move_on_after(FIRST_COUNT):
                await self._services.dashboard.ended.counts()
            self.context.ready()
            await self.context.stopping.wait()
            nursery.cancel_scope.cancel()
        with trio.move_on_after(FAREWELL), suppress(StoreUnavailable):
            # The next process goes on within the same minute; reading adds the two.
            self._record.look()
            await self._write(whole=False)

    async def _tick(self) -> None:
        while True:
            self._record.look()
            try:
                await self._write(whole=True)
                await self._condense()
                self._outage.over()
            except StoreUnavailable as error:
                self._outage.failed(error)
            self._services.dashboard.alerts.stir()
            self._services.dashboard.overview.stir()
            await trio.sleep(TICK)

    async def _write(self, *, whole: bool) -> None:
        services = self._services
        samples = self._record.unwritten(services.membership.me, whole=whole)
        if samples:
            await services.store.samples.add(samples)
            self._record.written(samples)

    async def _condense(self) -> None:
        now = int(self._services.backlog.clock())
        minute = begin(now, MINUTE)
        if minute == self._condensed:
            return
        store, first = self._services.store, self._condensed is None
        me = self._services.membership.me
        if self._services.membership.leading():
            # After a start also what nobody did while nobody was there.
            since = begin(now - (ABSENT if first else AGAIN), QUARTER)
            minutes = await store.samples.list(MINUTE, since)
            over = [one for one in minutes if begin(one.at, QUARTER) + QUARTER <= now]
            await store.samples.put(quarters(over))
        lately = await store.samples.list(MINUTE, minute - MINUTE)
        self._record.others = total(
            one.figures for one in lately if one.coordinator_id != me and one.at == minute - MINUTE
        )
        self._condensed = minute

    async def _count(self) -> None:
        outage = Outage(log, "jobs cannot be counted")
        while True:
            try:
                await self._services.dashboard.ended.keep_true(self._services.store)
                outage.over()
            except StoreUnavailable as error:
                outage.failed(error)
                await trio.sleep(TICK)
