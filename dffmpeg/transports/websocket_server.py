"""The WebSocket downlink, coordinator's half: messages go to the open connection, or nowhere.

Nothing is stored: a worker that connects registers again, and is told then what
it should run. A client follows its job on a WebSocket of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio

from dffmpeg.transports.downlink import Audience, Surroundings
from dffmpeg.transports.settings import NoSettings, parsed
from dffmpeg.wire import link
from dffmpeg.wire.workers import DownlinkMessage

QUEUE = 256
"""Messages that may wait for one connection; what comes then is dropped, and reconciled later."""


class WebSocketDownlink:
    """Open connections by recipient."""

    name = "websocket"
    failing_since = None

    def __init__(self) -> None:
        self._open: dict[str, trio.MemorySendChannel[DownlinkMessage]] = {}
        self.dropped = 0

    @classmethod
    def create(cls, settings: Mapping[str, Any], surroundings: Surroundings) -> WebSocketDownlink:
        """As the entry point makes it; it has no settings and stores nothing."""
        del surroundings
        parsed(NoSettings, f"transports.transport_settings.{cls.name}", settings)
        return cls()

    def worker_metadata(self, worker_id: str) -> dict[str, Any]:
        return {"path": f"/worker/{worker_id}/downlink", "link": link.VERSION}

    def job_metadata(self, requester_id: str, job_id: str) -> dict[str, Any]:
        return {"path": f"/jobs/{job_id}/follow"}

    def connected(self, recipient_id: str) -> bool:
        """Whether the recipient has a connection open."""
        return recipient_id in self._open

    def dismiss(self, recipient_id: str) -> None:
        channel = self._open.pop(recipient_id, None)
        if channel is not None:
            channel.close()

    async def send(self, message: DownlinkMessage, audience: Audience) -> None:
        await trio.lowlevel.checkpoint()
        channel = self._open.get(message.recipient_id)
        if channel is None:
            self.dropped += 1
            return
        try:
            channel.send_nowait(message)
        except (trio.WouldBlock, trio.BrokenResourceError):
            self.dropped += 1

    async def run(self, ready: Callable[[], None]) -> None:
        """Whoever is connected is disconnected at the end, comes again, and is reconciled."""
        try:
            ready()
            await trio.sleep_forever()
        finally:
            self.disconnect()

    def disconnect(self) -> None:
        """End every connection's iteration."""
        for channel in list(self._open.values()):
            channel.close()
        self._open.clear()

    @asynccontextmanager
    async def attach(self, recipient_id: str) -> AsyncIterator[AsyncIterator[DownlinkMessage]]:
        """Be the recipient's connection; yields its messages.

        A newer connection of the same recipient replaces this one, whose
        iteration then ends: the older one may be half-open for a long time.
        """
        send, receive = trio.open_memory_channel[DownlinkMessage](QUEUE)
        older = self._open.get(recipient_id)
        if older is not None:
            older.close()
        self._open[recipient_id] = send
        try:
            with send, receive:
                yield receive
        finally:
            if self._open.get(recipient_id) is send:
                del self._open[recipient_id]
