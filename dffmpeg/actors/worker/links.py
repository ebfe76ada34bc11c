"""Where the worker's open connection to the coordinator is found, and who hears what comes over it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from dffmpeg.actors.runtime import ActorRef
from dffmpeg.actors.worker.attempts.messages import Arrived
from dffmpeg.transports.client import Link, Pieces
from dffmpeg.wire.workers import AttemptRef


class Links:
    """The downlink's connection, while it is one over which the worker may speak too.

    Attributes:
        current: the connection, or None.
        changed: set, and replaced, when that is another.
    """

    def __init__(self) -> None:
        self.current: Link | None = None
        self.changed = trio.Event()
        self._listeners: dict[AttemptRef, ActorRef[Arrived]] = {}

    def open(self, link: Link) -> None:
        """Use this one from now on."""
        self._set(link)

    def close(self, link: Link) -> None:
        """It is over; a newer one stays."""
        if self.current is link:
            self._set(None)

    def _set(self, link: Link | None) -> None:
        self.current = link
        self.changed.set()
        self.changed = trio.Event()

    @contextmanager
    def listening(self, attempt: AttemptRef, listener: ActorRef[Arrived]) -> Iterator[None]:
        """Around the life of the actor that is to hear what comes for an attempt."""
        self._listeners[attempt] = listener
        try:
            yield
        finally:
            del self._listeners[attempt]

    async def arrived(self, pieces: Pieces) -> None:
        """Hand on what came; for an attempt that is not there it is of no use any more."""
        attempt = AttemptRef(job_id=pieces.job_id, attempt=pieces.frames[0].attempt)
        listener = self._listeners.get(attempt)
        if listener is not None:
            await listener.tell(Arrived(pieces.frames))
