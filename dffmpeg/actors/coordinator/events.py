"""What happened lately, for whoever keeps something on a screen: a bounded log that any number may read.

The log notes of each change only its subject; how that stands is read from its row once, for all
subscribers, and only while there is one. So an event tells how its subject stands by now, and of several
changes in a row only the last may be told. What other coordinators changed comes over the same journal.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import trio
from ulid import ULID

from dffmpeg.actors.coordinator.topics import Topic
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

PAGE = 500
"""Changes that a subscriber is given at once, at most."""

LOGGED: Sequence[EventKind] = ("job", "worker", "queue")
"""The kinds that are in the log; what one may miss is of every kind."""

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
        topics: by kind, what has a present only.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        # Another process counts anew, and knows nothing of what came before.
        self._epoch = str(ULID())
        self._last = 0
        self._entries: deque[_Entry] = deque(maxlen=capacity)
        self._newest: dict[EventKind, int] = {}
        self._stirred = trio.Event()
        self._filling = trio.Lock()
        # What is known of a worker, without when it was last seen: each registration would be news.
        self._workers: dict[str, WorkerEvent] = {}
        self.subscribers = 0
        self.topics: dict[EventKind, Topic] = {}

    def add(self, topic: Topic) -> None:
        """Have one more kind that may be followed."""
        self.topics[topic.kind] = topic
        topic.bind(self._stir)

    @property
    def kinds(self) -> Sequence[EventKind]:
        """All that may be followed."""
        return [*LOGGED, *self.topics]

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
            self._stir()

    def _stir(self) -> None:
        stirred, self._stirred = self._stirred, trio.Event()
        stirred.set()

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
        self._newest[kind] = self._last
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

    def present(self, kind: EventKind, data: EventData) -> Event:
        """An event of a topic, which has no place of its own."""
        return self._event(self._last, kind, data)

    def grown_beyond(self, place: int, kinds: Collection[EventKind]) -> bool:
        """Whether there is something of these kinds behind a number."""
        return any(self._newest.get(kind, 0) > place for kind in (*kinds, "missed"))

    def stirred(self) -> trio.Event:
        """An event that is set when there is something new, in the log or of a topic."""
        return self._stirred

    async def read(
        self, store: Store, after: int, kinds: Collection[EventKind] = LOGGED, until: int | None = None
    ) -> tuple[list[Event], int] | None:
        """What comes behind a number, at most `PAGE` of it, and the number to go on from.

        Args:
            kinds: rows are read only for events of these.
            until: the last number that is looked at.

        Returns:
            None where it is not there any more.

        Raises:
            StoreUnavailable: rows cannot be read.
        """
        if after < self._first - 1:
            return None
        start = after - self._first + 1
        end = start + PAGE if until is None else min(start + PAGE, until - self._first + 1)
        page = list(itertools.islice(self._entries, start, max(start, end)))
        last = page[-1].seq if page else after
        wanted = [entry for entry in page if entry.kind in kinds or entry.kind == "missed"]
        if any(_is_open(entry) for entry in wanted):
            # One for all: whoever comes meanwhile finds it done.
            async with self._filling:
                await self._fill(store, [entry for entry in wanted if _is_open(entry)])
        return [entry.event for entry in wanted if entry.event is not None and not entry.passed_over], last

    async def _fill(self, store: Store, entries: Iterable[_Entry]) -> None:
        newest: dict[tuple[str, str], _Entry] = {}
        for entry in entries:
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


def _is_open(entry: _Entry) -> bool:
    """Whether it is not known yet what an entry tells."""
    return entry.event is None and not entry.passed_over
