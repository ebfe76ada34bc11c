"""The life of a downlink in the coordinator's tree."""

from __future__ import annotations

import trio

from dffmpeg.actors.runtime import Actor
from dffmpeg.transports.downlink import Downlink


class DownlinkActor(Actor[None]):
    """Runs one downlink; its end, by a crash too, closes what the downlink had open,
    so that whoever listened there comes again and is reconciled."""

    def __init__(self, downlink: Downlink) -> None:
        self._downlink = downlink

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._downlink.run, self.context.ready)
            await self.context.stopping.wait()
            nursery.cancel_scope.cancel()
