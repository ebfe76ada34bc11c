"""The life of a downlink in the coordinator's tree."""

from __future__ import annotations

from dffmpeg.actors.runtime import Actor
from dffmpeg.transports.downlink import Downlink


class DownlinkActor(Actor[None]):
    """Keeps one downlink; its end, by a crash too, closes what the downlink had open,
    so that whoever listened there comes again and is reconciled."""

    def __init__(self, downlink: Downlink) -> None:
        self._downlink = downlink

    async def run(self) -> None:
        try:
            self.context.ready()
            await self.context.stopping.wait()
        finally:
            self._downlink.close()
