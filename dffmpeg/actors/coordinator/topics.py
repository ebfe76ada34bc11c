"""Topics: what the change feed tells of that has a present, and no past.

A job's states are events in a log: each has its number, and one can go on behind it. How loaded the cluster
is, or how far a job, is not: of that only the newest counts, and whoever comes is told how it is by now. Such
a kind of event is a topic. To add one: a class below `Topic`, its kind in `dffmpeg.wire.events.EventKind`
and its data in `EventData`, its message in `dffmpeg.web.openapi.events`, and `EventLog.add` where its parts
are at hand.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import trio

from dffmpeg.model.identities import Identity, Role

if TYPE_CHECKING:
    from dffmpeg.wire.events import EventData, EventKind


class Topic(ABC):
    """One for all of its subscribers.

    Attributes:
        kind: the kind of its events.
        roles: who may subscribe to it.
        every: seconds after which it is refreshed again while somebody follows it, although nobody called
            `stir`; None where it always is told.
        pace: seconds between two refreshes, at least.
        version: grows with each piece of news; 0 as long as there is none.
        watchers: how many follow it. While nobody does, it need not do anything.
    """

    kind: ClassVar[EventKind]
    roles: ClassVar[frozenset[Role]]
    every: ClassVar[float | None] = None

    def __init__(self) -> None:
        self.version = 0
        self.watchers = 0
        self.pace = 0.1
        self._stirred: Callable[[], None] = _nothing
        self._dirty = True
        self._refreshed_at = -math.inf
        self._refreshing = trio.Lock()

    def bind(self, stirred: Callable[[], None]) -> None:
        """By the log: what `stir` is to call."""
        self._stirred = stirred

    def stir(self) -> None:
        """There may be something new: have those who wait for it look."""
        self._dirty = True
        if self.watchers:
            self._stirred()

    def due(self) -> float:
        """When it is to be refreshed next, as `trio.current_time` has it; infinity where nothing is new."""
        if self._dirty:
            return self._refreshed_at + self.pace
        return math.inf if self.every is None else self._refreshed_at + self.every

    async def bring_up_to_date(self) -> None:
        """Refresh it, if that is due: once for all who ask.

        Raises:
            StoreUnavailable: as `refresh`.
        """
        async with self._refreshing:
            if trio.current_time() < self.due():
                return
            self._dirty, self._refreshed_at = False, trio.current_time()
            try:
                await self.refresh()
            except BaseException:
                # Whoever asked may have gone, too; then the next one finds it due. The error goes on.
                self._dirty = True
                raise

    @abstractmethod
    async def refresh(self) -> None:
        """Find out how it is by now; where something is new, `version` is higher afterwards.

        Raises:
            StoreUnavailable: rows cannot be read; nothing is lost by it.
        """

    @abstractmethod
    def news(self, after: int, who: Identity) -> list[EventData]:
        """What is new behind a version, of what this identity may see.

        Args:
            after: 0 for all that there is.
        """


def _nothing() -> None:
    return None
