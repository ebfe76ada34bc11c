"""What every broker is to the rest: a connection over which bodies are published and received by route."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dffmpeg.errors import Refused
from dffmpeg.wire.workers import DownlinkMessage

CONNECT_SECONDS = 5.0
"""For all that comes before a connection can be used."""

CONFIRM_SECONDS = 20.0
"""After so long without its word a broker is given up: it may be out of memory or disk."""

WINDOW = 64
"""Messages that a receiver has got and not yet taken, at most; the broker keeps the rest."""

MAX_MESSAGE = 4 * 1024 * 1024
"""Largest body that is published, bytes. What is larger reaches a worker with its registration."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a message goes: to a worker, or to the requester of a job."""

    recipient_id: str
    job_id: str | None = None
    """The requester's; a worker listens for all of its jobs at once."""


@dataclass(slots=True)
class Post:
    """A message that is on its way to the broker."""

    route: Route
    body: bytes
    tries: int = 0


class RefusedByBroker(Refused):
    """A broker said no. Its text has no HTTP status: `status` is only the one that comes nearest."""

    def __str__(self) -> str:
        return self.detail


class Causes:
    """Why something cannot be reached, each reason said once until it is: with several hosts, which are tried
    in an order left to chance, reasons alternate."""

    MOST = 32

    def __init__(self) -> None:
        self._said: set[str] = set()

    def first(self, error: Exception) -> bool:
        """Whether this reason is there for the first time."""
        text = str(error)
        if text in self._said:
            return False
        if len(self._said) >= self.MOST:
            self._said.clear()
        self._said.add(text)
        return True

    def over(self) -> None:
        """It was reached: whatever comes next is news."""
        self._said.clear()


class BrokerConnection(Protocol):
    """An open connection. Whoever opened it learns of its end by `Unreachable`."""

    async def publish(self, posts: Sequence[Post]) -> None:
        """Publish in this order; returns when the broker has confirmed each, or will not have it.

        Raises:
            Unreachable: it said nothing in time.
        """

    async def subscribe(self, route: Route) -> None:
        """Receive from now on what is published there.

        Raises:
            Refused: the broker does not let us.
        """

    async def unsubscribe(self, route: Route) -> None:
        """Receive it no longer."""

    async def receive(self) -> bytes:
        """The next body. To come back for the next one acknowledges it."""


class Recent:
    """Which messages came already: a broker may deliver one twice."""

    SIZE = 1024

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()

    def first(self, message: DownlinkMessage) -> bool:
        """Whether this one comes for the first time."""
        if message.message_id in self._seen:
            return False
        self._seen[message.message_id] = None
        if len(self._seen) > self.SIZE:
            self._seen.popitem(last=False)
        return True
