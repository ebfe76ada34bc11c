"""Subscribers to the change feed, and what those who follow the same are told together.

Who may see the same, wants the same kinds and the same interval shares a broadcast: whichever of them comes
first finds out what is new and makes a bulletin of it, and the others get that very object, with its
encodings. So two hundred open dashboards cost two hundred writes to sockets, and one of everything else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from dffmpeg.actors.coordinator.events import LOGGED, Event, EventLog
from dffmpeg.actors.coordinator.refusals import Forbidden, TooMany
from dffmpeg.model import access
from dffmpeg.model.identities import Identity
from dffmpeg.store import Store
from dffmpeg.wire.events import EventKind, JobEvent, WorkerEvent

SUBSCRIBERS = 1000

SHARE = 0.005
"""Seconds by which each subscriber stretches everybody's interval: 200 of them are told once a second."""

KEPT = 8
"""Bulletins of a broadcast that are there for a slow subscriber; one behind them reads the log by itself."""

E = TypeVar("E")


@dataclass(frozen=True, slots=True, eq=False)
class Bulletin:
    """Some events that are told at once.

    Attributes:
        place: the number in the log up to which they tell.
    """

    events: Sequence[Event]
    place: int
    _encodings: dict[Hashable, object] = field(default_factory=dict)

    def encoded(self, encode: Callable[[Sequence[Event]], E]) -> E:
        """The events as `encode` makes them, once for all who ask for the same."""
        if encode not in self._encodings:
            self._encodings[encode] = encode(self.events)
        return self._encodings[encode]  # type: ignore[return-value]


class Broadcast:
    """What all who follow the same are told.

    Args:
        who: one of them: all of them may see the same.

    Attributes:
        number: of the newest bulletin.
        place: the number in the log up to which it told.
    """

    def __init__(
        self, log: EventLog, store: Store, who: Identity, kinds: Collection[EventKind], interval: float
    ) -> None:
        self.number = 0
        self.place = log.last
        self.subscribers = 0
        self._log = log
        self._store = store
        self._who = who
        self._kinds = kinds
        self._logged = [kind for kind in kinds if kind in LOGGED]
        self._topics = [topic for kind, topic in log.topics.items() if kind in kinds]
        self._told = {topic.kind: 0 for topic in self._topics}
        self._interval = interval
        self._ready_at = trio.current_time()
        self._kept: deque[Bulletin] = deque(maxlen=KEPT)
        self._busy = False
        self._turn = trio.Event()

    async def opening(self, first: Event) -> Bulletin:
        """For one who comes now: an event, and how the topics are."""
        return Bulletin([first, *await self.present()], self.place)

    async def present(self) -> list[Event]:
        """How the topics are."""
        for topic in self._topics:
            await topic.bring_up_to_date()
        events: list[Event] = []
        for topic in self._topics:
            # One who is alone need not be told the same again.
            if self.subscribers == 1:
                self._told[topic.kind] = topic.version
            events += [self._log.present(topic.kind, data) for data in topic.news(0, self._who)]
        return events

    def remembers(self, number: int) -> bool:
        """Whether `behind` can be asked for this number."""
        return self.number - number <= len(self._kept)

    async def behind(self, number: int) -> Bulletin:
        """The bulletin behind one of a number, made now if there is none yet, and waited for.

        Raises:
            StoreUnavailable: rows cannot be read; nothing is lost by it.
        """
        while self.number <= number:
            if self._busy:
                await self._turn.wait()
            else:
                await self._make()
        return self._kept[number - self.number]

    async def _make(self) -> None:
        """By the first who waits. Whoever is cancelled in here leaves it to the next one."""
        self._busy = True
        try:
            while not (events := await self._gather()):
                pass
            self.number += 1
            self._kept.append(Bulletin(events, self.place))
            stretched = max(self._interval, SHARE * self._log.subscribers)
            self._ready_at = trio.current_time() + stretched
        finally:
            self._busy = False
            turn, self._turn = self._turn, trio.Event()
            turn.set()

    async def _gather(self) -> list[Event]:
        """Wait for something that may be new, and see what it is."""
        await self._wait()
        for topic in self._topics:
            await topic.bring_up_to_date()
        read = await self._log.read(self._store, self.place, self._logged)
        # From here on nothing waits, so that nothing is told to nobody.
        events: list[Event] = []
        if read is None:
            self.place = self._log.last
            events.append(self._log.missed("it was too slow: too much has happened since"))
        else:
            found, self.place = read
            events += [event for event in found if may_see(self._who, event)]
        for topic in self._topics:
            data = topic.news(self._told[topic.kind], self._who)
            self._told[topic.kind] = topic.version
            events += [self._log.present(topic.kind, one) for one in data]
        return events

    async def _wait(self) -> None:
        while True:
            stirred, now = self._log.stirred(), trio.current_time()
            when = max(self._ready_at, self._due())
            if when <= now:
                return
            if self._due() <= self._ready_at:
                # There is something already; what else comes until then is told with it.
                await trio.sleep_until(when)
                return
            with trio.move_on_at(when):
                await stirred.wait()

    def _due(self) -> float:
        """When there may be something to tell, as far as is known now."""
        if self._log.grown_beyond(self.place, self._logged):
            return 0.0
        if any(topic.version > self._told[topic.kind] for topic in self._topics):
            return 0.0
        # Nothing of ours is before this, also when the log has gone on for long.
        self.place = self._log.last
        return min((topic.due() for topic in self._topics), default=float("inf"))


class Broadcasts:
    """Those that somebody follows."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._open: dict[Hashable, Broadcast] = {}

    def join(
        self, store: Store, who: Identity, kinds: Collection[EventKind], interval: float
    ) -> tuple[Hashable, Broadcast]:
        """Follow one; `leave` is the end of it."""
        # Another store is another life of the database.
        key = (id(store), scope(who), frozenset(kinds), interval)
        if key not in self._open:
            self._open[key] = Broadcast(self._log, store, who, kinds, interval)
        found = self._open[key]
        found.subscribers += 1
        self._log.subscribers += 1
        for kind in kinds:
            if kind in self._log.topics:
                self._log.topics[kind].watchers += 1
        return key, found

    def leave(self, key: Hashable, broadcast: Broadcast, kinds: Collection[EventKind]) -> None:
        for kind in kinds:
            if kind in self._log.topics:
                self._log.topics[kind].watchers -= 1
        self._log.subscribers -= 1
        broadcast.subscribers -= 1
        if not broadcast.subscribers:
            del self._open[key]


class Subscription:
    """One subscriber's place in the log. What it has not taken yet is not kept for it.

    To be entered before it is asked for news.

    Args:
        after: the id of the last event that it has; None begins now.
        kinds: only events of these; None is all that are in the log.
        interval: seconds between two bulletins, at least, so that much at once is told at once. Many
            subscribers stretch it.

    Raises:
        TooMany: there are as many as there may be.
        Forbidden: one of the kinds is not for this identity.
    """

    def __init__(
        self,
        broadcasts: Broadcasts,
        log: EventLog,
        store: Store,
        who: Identity,
        *,
        after: str | None,
        kinds: Collection[EventKind] | None = None,
        interval: float = 0.1,
    ) -> None:
        if log.subscribers >= SUBSCRIBERS:
            raise TooMany(f"{SUBSCRIBERS} subscribers follow the changes already; try again later")
        self._kinds = LOGGED if kinds is None else kinds
        _require_seen(who, self._kinds, log)
        self._broadcasts = broadcasts
        self._log = log
        self._store = store
        self._who = who
        self._interval = interval
        self._after = after

    def __enter__(self) -> Subscription:
        log, after = self._log, self._after
        self._key, self._broadcast = self._broadcasts.join(
            self._store, self._who, self._kinds, self._interval
        )
        place = None if after is None else log.place_of(after)
        self._place = log.last if place is None else place
        # In step with the others, or behind them in the log.
        self._number: int | None = self._broadcast.number if place is None else None
        self._first: Event | None = None
        if after is None:
            self._first = log.here()
        elif place is None:
            self._first = log.missed("what came behind that event is not known here any more")
        return self

    def __exit__(self, *_: object) -> None:
        self._broadcasts.leave(self._key, self._broadcast, self._kinds)

    async def news(self, wait: float) -> Sequence[Event]:
        """The events of `bulletin`; nothing where there is none."""
        bulletin = await self.bulletin(wait)
        return () if bulletin is None else bulletin.events

    async def bulletin(self, wait: float) -> Bulletin | None:
        """What is new; waits for it at most so many seconds, and returns nothing then.

        Raises:
            StoreUnavailable: rows cannot be read; nothing is lost by it.
        """
        if self._first is not None:
            opening = await self._broadcast.opening(self._first)
            self._first = None
            return opening
        with trio.move_on_after(wait):
            return await self._next()
        return None

    async def _next(self) -> Bulletin:
        while True:
            number = self._number
            if number is None or not self._broadcast.remembers(number):
                behind = await self._catch_up()
                if behind.events:
                    return behind
                continue
            found = await self._broadcast.behind(number)
            self._number, self._place = number + 1, found.place
            return found

    async def _catch_up(self) -> Bulletin:
        """What is between its place and that of the others; in step with them, once that is nothing."""
        together, number = self._broadcast.place, self._broadcast.number
        kinds = [kind for kind in self._kinds if kind in LOGGED]
        read = await self._log.read(self._store, self._place, kinds, together)
        if read is None:
            events = [self._log.missed("it was too slow: too much has happened since")]
            self._place = together
        else:
            found, self._place = read
            events = [event for event in found if may_see(self._who, event)]
        if self._place >= together:
            self._number = number
            # What it has of them may be older than what the others were told.
            events += await self._broadcast.present()
        return Bulletin(events, self._place)


def _require_seen(who: Identity, kinds: Collection[EventKind], log: EventLog) -> None:
    for kind in kinds:
        if kind in log.topics and who.role not in log.topics[kind].roles:
            raise Forbidden(f"kind: {who.client_id} is a {who.role}, and {kind} is not for it")


def scope(who: Identity) -> Hashable:
    """The same for all who may see the same."""
    return None if access.sees_all(who) else (who.role, who.client_id)


def may_see(who: Identity, event: Event) -> bool:
    """Whether an event of the log is for somebody."""
    data = event.data
    requester = data.requester_id if isinstance(data, JobEvent) else None
    worker = data.worker_id if isinstance(data, JobEvent | WorkerEvent) else None
    return access.may(access.EVENTS[event.kind], who, requester=requester, worker=worker)
