"""Successors: fails the jobs that were to come after one which failed or was canceled.

What is to be done stands in rows, which were written together with that job's end; so
whatever was missed is found at the next look, also after a crash.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import trio

from dffmpeg.actors.coordinator.endurance import Endurance
from dffmpeg.actors.coordinator.services import Services
from dffmpeg.actors.runtime import Actor
from dffmpeg.model import succession
from dffmpeg.store.jobs import Doomed

log = logging.getLogger(__name__)

PAGE = 64
"""Jobs that are failed together."""


@dataclass(frozen=True, slots=True)
class Look:
    """There may be some."""


class Successors(Actor[Look]):
    """Has no state."""

    mailbox_size = 1

    def __init__(self, services: Services) -> None:
        self._services = services
        self._endurance = Endurance(self)

    async def start(self) -> None:
        self._services.look_at_successors()

    async def handle(self, message: Look) -> None:
        await self._endurance.handle(message, self._look)

    async def _look(self, message: Look) -> None:
        del message
        if not self._services.membership.leading():
            return
        # Those that fail here have successors in their turn: the next page has them.
        while page := await self._services.store.jobs.doomed(PAGE):
            async with trio.open_nursery() as nursery:
                for doomed in page:
                    nursery.start_soon(self._fail, doomed)

    async def _fail(self, doomed: Doomed) -> None:
        failed = succession.fail(doomed.job, doomed.predecessor_id, doomed.outcome, time.time())
        # Whoever was faster has ended it, and then its row does not wait any more either.
        if await self._services.store.jobs.apply(failed):
            log.info("job %s failed: %s", failed.job_id, failed.changes["reason"])
            await self._services.announce(failed.made(doomed.job))
