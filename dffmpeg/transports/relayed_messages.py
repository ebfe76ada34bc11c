"""Messages that a broker carries to whichever coordinator its recipient polls."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio

from dffmpeg.transports.broker import Recent, Route
from dffmpeg.transports.broker_server import BrokerDownlink
from dffmpeg.transports.downlink import Audience
from dffmpeg.wire.workers import DownlinkMessage

KEPT = 500
KEPT_BYTES = 8 * 1024 * 1024
"""Messages that are kept for one poller; older ones are dropped, and reconciled."""

IDLE_SECONDS = 120.0
"""A poller that did not come back for so long is not listened for any more."""

SUBSCRIBE_SECONDS = 5.0
"""How long a first poll waits until the broker brings us what comes for it."""


class RelayedMessages:
    """`Source` behind a broker: one connection for all pollers, which is the carrier's.

    What comes for a poller is kept from its first poll on, in the memory of the coordinator that it polls.
    """

    def __init__(self, carrier: BrokerDownlink) -> None:
        self._carrier = carrier
        self._boxes: dict[Route, _Box] = {}

    @property
    def size(self) -> int:
        """Bytes that are kept for all pollers together."""
        return sum(box.size for box in self._boxes.values())

    @property
    def failing_since(self) -> float | None:
        return self._carrier.failing_since

    async def send(self, message: DownlinkMessage, audience: Audience) -> None:
        await self._carrier.send(message, audience)

    def ring(self, recipient_id: str) -> None:
        """What another coordinator has published comes by itself."""

    async def run(self, ready: Callable[[], None]) -> None:
        """Forget those who stay away; the carrier has a life of its own in the tree."""
        ready()
        try:
            while True:
                await trio.sleep(IDLE_SECONDS / 4)
                self._forget_idle()
        finally:
            for route in list(self._boxes):
                self._forget(route)

    async def poll(self, route: Route, *, last: str | None, wait: float) -> list[DownlinkMessage]:
        deadline = trio.current_time() + wait
        box = await self._box(route)
        box.waiting += 1
        try:
            while True:
                filled = box.filled
                found = await self._carrier.genuine(box.after(last), route.recipient_id)
                if found or trio.current_time() >= deadline:
                    return found
                with trio.move_on_at(deadline):
                    await filled.wait()
        finally:
            box.waiting -= 1
            box.used_at = trio.current_time()

    async def _box(self, route: Route) -> _Box:
        box = self._boxes.get(route)
        if box is None:
            box = self._boxes[route] = _Box()
            with trio.move_on_after(SUBSCRIBE_SECONDS):
                await self._carrier.listen(route, box.put)
        box.used_at = trio.current_time()
        return box

    def _forget_idle(self) -> None:
        before = trio.current_time() - IDLE_SECONDS
        for route, box in list(self._boxes.items()):
            if box.used_at < before and not box.waiting:
                self._forget(route)

    def _forget(self, route: Route) -> None:
        del self._boxes[route]
        self._carrier.stop_listening(route)


class _Box:
    """What has come for one poller."""

    def __init__(self) -> None:
        self.used_at = 0.0
        self.waiting = 0
        self.filled = trio.Event()
        self.size = 0
        self._recent = Recent()
        self._messages: deque[tuple[DownlinkMessage, int]] = deque()

    def put(self, message: DownlinkMessage, size: int) -> None:
        if not self._recent.first(message):
            return
        self._messages.append((message, size))
        self.size += size
        while len(self._messages) > KEPT or self.size > KEPT_BYTES:
            self.size -= self._messages.popleft()[1]
        self.filled.set()
        self.filled = trio.Event()

    def after(self, last: str | None) -> list[DownlinkMessage]:
        """Those behind one; all, if that one is not known (any more)."""
        found = [message for message, _ in self._messages]
        places = [place for place, message in enumerate(found) if message.message_id == last]
        return found[places[0] + 1 :] if places else found
