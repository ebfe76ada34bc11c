"""What happened lately, for whoever keeps something on a screen: a bounded log that any number may read.

The log notes of each change only its subject; how that stands is read from its row once, for all
subscribers, and only while there is one. So an event tells how its subject stands by now, and of several
changes in a row only the last may be told. What other coordinators changed comes over the same journal.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import trio
from ulid import ULID

from dffmpeg.actors.coordinator.refusals import TooMany
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.jobs import Job, Transition
from dffmpeg.model.scheduling.pause import Pause
from dffmpeg.model.workers import Worker
from dffmpeg.store import Store
from dffmpeg.store.journal import Change, JobChanged, Missing, WorkerChanged
from dffmpeg.wire import codec
from dffmpeg.wire.events import (
    EventData,
    EventKind,
    Here,
    JobEvent,
    Missed,
    WorkerEvent,
    job_event,
    worker_event,
)
from dffmpeg.wire.records import queue_state

CAPACITY = 10_000
"""Changes that are kept. A subscriber that falls behind by more is told that it missed something."""

SUBSCRIBERS = 1000

PAGE = 500
"""Changes that a subscriber is given at once, at most."""

_WORKERS = 10_000
"""Workers of which it is known what was told last."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell.

    Attributes:
        id: to go on from, as `Subscription` takes it.
        content: its data as JSON.
    """

    id: str
    kind: EventKind
    data: EventData
    content: bytes


@dataclass(slots=True)
class _Entry:
    seq: int
    kind: EventKind
    subject: str
    event: Event | None = None
    passed_over: bool = False
    """A later entry tells of the same."""


class EventLog:
    """See the module.

    Attributes:
        subscribers: how many there are.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        # Another process counts anew, and knows nothing of what came before.
        self._epoch = str(ULID())
        self._last = 0
        self._entries: deque[_Entry] = deque(maxlen=capacity)
        self._grown = trio.Event()
        self._filling = trio.Lock()
        # What is known of a worker, without when it was last seen: each registration would be news.
        self._workers: dict[str, WorkerEvent] = {}
        self.subscribers = 0

    @property
    def last(self) -> int:
        """The number of the newest event."""
        return self._last

    # Writing

    def take(self, changes: Sequence[Change | Missing]) -> None:
        """Note what was committed; a `Listener` of journals."""
        before = self._last
        for change in changes:
            match change:
                case Job() | Transition() | JobChanged():
                    self._note("job", change.job_id)
                case Worker() if self._is_news(change):
                    self._note("worker", change.worker_id)
                case WorkerChanged():
                    self._workers.pop(change.worker_id, None)
                    self._note("worker", change.worker_id)
                case Pause():
                    self._note("queue", "", queue_state(change))
                case Missing():
                    self._note("missed", "", Missed(reason="changes in the database were not followed"))
                case _:
                    pass
        if self._last != before:
            grown, self._grown = self._grown, trio.Event()
            grown.set()

    def _is_news(self, worker: Worker) -> bool:
        # A registration does not say what others decided.
        known = self._workers.get(worker.worker_id)
        told = worker_event(worker)
        if known is not None:
            told = msgspec.structs.replace(
                told, hold_reason=known.hold_reason, strikes=known.strikes, status=worker.state.value
            )
        self._workers[worker.worker_id] = told
        while len(self._workers) > _WORKERS:
            del self._workers[next(iter(self._workers))]
        return told != known

    def _note(self, kind: EventKind, subject: str, data: EventData | None = None) -> None:
        self._last += 1
        entry = _Entry(self._last, kind, subject)
        if data is not None:
            entry.event = self._event(entry.seq, kind, data)
        self._entries.append(entry)

    def _event(self, seq: int, kind: EventKind, data: EventData) -> Event:
        return Event(f"{self._epoch}-{seq}", kind, data, codec.encode(data))

    # Reading

    def place_of(self, event_id: str) -> int | None:
        """The number behind an event's id; None if it is not one of this log's, or too long ago."""
        epoch, _, text = event_id.rpartition("-")
        if epoch != self._epoch or not (text.isascii() and text.isdigit() and len(text) < 20):
            return None
        number = int(text)
        return number if self._first - 1 <= number <= self._last else None

    @property
    def _first(self) -> int:
        return self._last - len(self._entries) + 1

    def here(self) -> Event:
        """That a feed begins here."""
        return self._event(self._last, "here", Here())

    def missed(self, reason: str) -> Event:
        """That a feed goes on from here, although there was something before."""
        return self._event(self._last, "missed", Missed(reason=reason))

    async def grown_beyond(self, place: int) -> None:
        """Wait until there is something behind this number."""
        while self._last <= place:
            await self._grown.wait()

    async def read(self, store: Store, after: int) -> tuple[list[Event], int] | None:
        """What comes behind a number, at most `PAGE` of it, and the number to go on from.

        Returns:
            None where it is not there any more.

        Raises:
            StoreUnavailable: rows cannot be read.
        """
        if after < self._first - 1:
            return None
        start = after - self._first + 1
        page = list(itertools.islice(self._entries, start, start + PAGE))
        if any(entry.event is None and not entry.passed_over for entry in page):
            # One for all: whoever comes meanwhile finds it done.
            async with self._filling:
                await self._fill(store, page)
        events = [entry.event for entry in page if entry.event is not None and not entry.passed_over]
        return events, page[-1].seq if page else after

    async def _fill(self, store: Store, page: Sequence[_Entry]) -> None:
        newest: dict[tuple[str, str], _Entry] = {}
        for entry in page:
            if entry.event is not None or entry.passed_over:
                continue
            before = newest.get((entry.kind, entry.subject))
            if before is not None:
                before.passed_over = True
            newest[entry.kind, entry.subject] = entry
        found = await self._look_up(store, newest)
        for key, entry in newest.items():
            entry.event = self._event(entry.seq, entry.kind, found[key])

    async def _look_up(
        self, store: Store, wanted: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], EventData]:
        jobs = [subject for kind, subject in wanted if kind == "job"]
        found: dict[tuple[str, str], EventData] = {
            ("job", job_id): JobEvent(job_id=job_id, status="removed") for job_id in jobs
        }
        if jobs:
            for brief in await store.jobs.briefs(jobs):
                found["job", brief.job_id] = job_event(brief)
        for kind, worker_id in wanted:
            if kind == "worker":
                worker = await store.workers.get(worker_id)
                removed = WorkerEvent(worker_id=worker_id, status="removed")
                found[kind, worker_id] = removed if worker is None else worker_event(worker)
        return found


class Subscription:
    """One subscriber's place in the log. What it has not taken yet is not kept for it.

    Args:
        after: the id of the last event that it has; None begins now.
        kinds: only events of these; None is all.
        interval: seconds between two answers of `news`, so that much at once is told at once.

    Raises:
        TooMany: there are as many as there may be.
    """

    def __init__(
        self,
        log: EventLog,
        store: Store,
        who: Identity,
        *,
        after: str | None,
        kinds: Collection[str] | None = None,
        interval: float = 0.1,
    ) -> None:
        if log.subscribers >= SUBSCRIBERS:
            raise TooMany(f"{SUBSCRIBERS} subscribers follow the changes already; try again later")
        self._log = log
        self._store = store
        self._who = who
        self._kinds = kinds
        self._interval = interval
        self._ready_at = trio.current_time()
        place = None if after is None else log.place_of(after)
        self._place = log.last if place is None else place
        self._first: list[Event] = []
        if after is None:
            self._first.append(log.here())
        elif place is None:
            self._first.append(log.missed("what came behind that event is not known here any more"))

    def __enter__(self) -> Subscription:
        self._log.subscribers += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._log.subscribers -= 1

    async def news(self, wait: float) -> list[Event]:
        """What is new; waits for it at most so many seconds, and returns nothing then.

        Raises:
            StoreUnavailable: rows cannot be read; nothing is lost by it.
        """
        deadline = trio.current_time() + wait
        while not self._first:
            if not await self._is_more(deadline):
                return []
            events = await self._read()
            if events:
                self._ready_at = trio.current_time() + self._interval
                return events
        first, self._first = self._first, []
        return first

    async def _is_more(self, deadline: float) -> bool:
        """Whether there is something behind our place, and enough time has passed."""
        if self._log.last > self._place and trio.current_time() >= self._ready_at:
            return True
        with trio.move_on_at(deadline):
            await self._log.grown_beyond(self._place)
            await trio.sleep_until(self._ready_at)
            return True
        return False

    async def _read(self) -> list[Event]:
        read = await self._log.read(self._store, self._place)
        if read is None:
            self._place = self._log.last
            return [self._log.missed("it was too slow: too much has happened since")]
        events, self._place = read
        return [event for event in events if self._may_see(event)]

    def _may_see(self, event: Event) -> bool:
        if event.kind in ("missed", "here"):
            return True
        if self._kinds is not None and event.kind not in self._kinds:
            return False
        who, data = self._who, event.data
        if who.role is Role.ADMIN:
            return True
        if isinstance(data, JobEvent):
            owner = data.requester_id if who.role is Role.CLIENT else data.worker_id
            return owner == who.client_id
        if isinstance(data, WorkerEvent):
            return who.role is Role.CLIENT or data.worker_id == who.client_id
        return False
