"""Members: shows that this coordinator lives, and watches whether the others do."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from dffmpeg.actors.coordinator.services import Services
from dffmpeg.actors.runtime import Actor
from dffmpeg.model.membership import Member, Watch
from dffmpeg.store import Fenced, StoreUnavailable

log = logging.getLogger(__name__)

RENEWAL = 1.0
"""Seconds between two signs of life, where the lease is long enough."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """A member has come, is draining, or has gone."""


class Members(Actor[Refresh]):
    """Renews, looks, and says of those that were silent for their lease that they are gone.

    A database that cannot be reached ends nothing here: the same is tried until it can, or until the others
    have gone on without us, which the store's writer hears first.
    """

    mailbox_size = 1

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lease = services.config.cluster.lease
        self._watch = Watch(self._lease)
        self._outage = services.outage
        self._mute: set[str] = set()

    async def start(self) -> None:
        if self._services.membership.shared:
            log.info("this is coordinator %s, as the others and `dffmpeg-admin status` call it", self._me)
            self.context.nursery.start_soon(self._go_on)

    async def handle(self, message: Refresh) -> None:
        del message
        try:
            await self._look()
        except StoreUnavailable as error:
            # It is looked again soon.
            self._outage.failed(error)

    async def _go_on(self) -> None:
        while True:
            try:
                await self._services.store.members.renew()
                await self._look()
                self._outage.over()
            except Fenced:
                # The store's actor ends by it, and we with it.
                await trio.sleep_forever()
            except StoreUnavailable as error:
                self._outage.failed(error)
            await trio.sleep(min(RENEWAL, self._lease / 5))

    async def _look(self) -> None:
        members = self._services.store.members
        found = await members.list()
        buried = False
        for silent in self._watch.look(found, trio.current_time()):
            if silent.coordinator_id != self._me and await members.bury(silent):
                log.warning("coordinator %s is gone: no word from it", silent.coordinator_id)
                buried = True
        if buried:
            found = await members.list()
        self._services.membership.take(found)
        self._warn_of_mute(found)

    @property
    def _me(self) -> str:
        return self._services.membership.me

    def _warn_of_mute(self, found: Sequence[Member]) -> None:
        """Say once of each that the others cannot reach it; one that is alone need not be reached."""
        mute = {one.coordinator_id for one in found if one.address is None} if len(found) > 1 else set()
        for name in sorted(mute - self._mute):
            log.warning(
                "coordinator %s has no [cluster] advertise: what is about its workers is answered 503 by all "
                "others; set it there",
                name,
            )
        self._mute = mute
