"""Pending jobs in the order in which they go: by priority, requester, and when they came. Pure."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dffmpeg.model.scheduling.entries import Entry
from dffmpeg.model.scheduling.fairness import Usage
from dffmpeg.model.scheduling.ledger import Reach
from dffmpeg.model.scheduling.nodes import Fit

Head = tuple[float, str]
"""The first job of a lane: when it was submitted, and its id."""


@dataclass(eq=False, slots=True)
class Lane:
    """Jobs that differ in nothing that matters, first come first served.

    Attributes:
        avoid: the worker that failed them.
        waiting: how many there are.
    """

    level: Level
    requester: str
    fit: Fit
    avoid: str | None
    waiting: int = 0
    _queue: list[Head] = field(default_factory=list)

    def put(self, entry: Entry) -> None:
        heapq.heappush(self._queue, (entry.created_at, entry.job_id))
        self.waiting += 1

    def head(self, places: Mapping[str, Lane]) -> Head:
        """The first of them.

        Args:
            places: in which lane each job is; what left this one is still in its queue.
        """
        queue = self._queue
        while places.get(queue[0][1]) is not self:
            heapq.heappop(queue)
        return queue[0]


@dataclass(eq=False, slots=True)
class Level:
    """The jobs of one priority.

    Attributes:
        since: when one of them was given to a worker last, or when the first of them came.
        waiting: how many there are.
        lanes: by requester, shape and avoided worker.
    """

    priority: int
    since: float
    waiting: int = 0
    lanes: dict[str, dict[tuple[Fit, str | None], Lane]] = field(default_factory=dict)

    def effective(self, now: float, aging: float) -> float:
        """Its priority, which grows as long as it is passed over."""
        return self.priority + max(0.0, now - self.since) / aging


class Lanes:
    """All jobs that could be tried now.

    Args:
        usage: what each requester has got.
        aging: seconds after which a priority that was passed over gains a point.
    """

    def __init__(self, usage: Usage, aging: float) -> None:
        self._usage = usage
        self._aging = aging
        self.places: dict[str, Lane] = {}
        self.levels: dict[int, Level] = {}

    def __contains__(self, job_id: str) -> bool:
        return job_id in self.places

    def put(self, entry: Entry, fit: Fit, now: float) -> None:
        """A job may be tried from now on."""
        level = self.levels.get(entry.priority)
        if level is None:
            level = self.levels[entry.priority] = Level(entry.priority, now)
        lanes = level.lanes.setdefault(entry.requester_id, {})
        key = (fit, entry.excluded_worker)
        lane = lanes.get(key)
        if lane is None:
            lane = lanes[key] = Lane(level, entry.requester_id, fit, entry.excluded_worker)
        lane.put(entry)
        level.waiting += 1
        fit.waiting += 1
        self.places[entry.job_id] = lane

    def remove(self, job_id: str) -> None:
        """It is not to be tried any more, if it was."""
        lane = self.places.pop(job_id, None)
        if lane is None:
            return
        level, fit = lane.level, lane.fit
        lane.waiting -= 1
        if not lane.waiting:
            lanes = level.lanes[lane.requester]
            del lanes[fit, lane.avoid]
            if not lanes:
                del level.lanes[lane.requester]
        level.waiting -= 1
        if not level.waiting:
            del self.levels[level.priority]
        fit.waiting -= 1
        if not fit.waiting:
            fit.passed_since = fit.kept = None

    def effective(self, level: Level, now: float) -> float:
        """A level's priority at that time."""
        return level.effective(now, self._aging)

    def round(self, now: float) -> Round:
        """An order of all of them, to be gone through at that moment."""
        return Round(self, now)

    def score(self, requester: str, now: float) -> float:
        return self._usage.score(requester, now)


@dataclass(eq=False, slots=True)
class _Turn:
    """A level in a round: its requesters, by what they have got and then by who came first."""

    level: Level
    queue: list[tuple[float, float, str, str]] | None = None


class Round:
    """Goes through the lanes at one moment, while jobs are taken out of them.

    All that happens in a round makes levels and requesters later, never earlier: a place that is still
    right when it comes to the top is the first one.
    """

    def __init__(self, lanes: Lanes, now: float) -> None:
        self._lanes = lanes
        self._now = now
        self._passed: set[Lane | Fit | str] = set()
        self._turns = [
            (-lanes.effective(level, now), -level.priority, _Turn(level)) for level in lanes.levels.values()
        ]
        heapq.heapify(self._turns)

    def next(self) -> tuple[Lane, str] | None:
        """The lane whose turn it is, and its first job; None when all are empty or were passed."""
        while self._turns:
            stored, tie, turn = self._turns[0]
            current = -self._lanes.effective(turn.level, self._now)
            if current > stored:
                heapq.heapreplace(self._turns, (current, tie, turn))
                continue
            found = self._within(turn)
            if found is not None:
                return found
            heapq.heappop(self._turns)
        return None

    def passed(self, lane: Lane, reach: Reach) -> None:
        """Its first job cannot be taken in this round.

        Args:
            reach: which others cannot for the same reason.
        """
        match reach:
            case Reach.LEVEL:
                # Being the first of its level, it is the first of all.
                heapq.heappop(self._turns)
            case Reach.REQUESTER:
                self._passed.add(lane.requester)
            case Reach.SHAPE:
                self._passed.add(lane.fit)
            case Reach.LANE:
                self._passed.add(lane)

    def _within(self, turn: _Turn) -> tuple[Lane, str] | None:
        queue = turn.queue
        if queue is None:
            # Who came first is looked at only where it matters: of those who stand before all others.
            queue = turn.queue = [
                (self._lanes.score(requester, self._now), -math.inf, "", requester)
                for requester in turn.level.lanes
            ]
            heapq.heapify(queue)
        while queue:
            requester = queue[0][3]
            lanes = turn.level.lanes.get(requester, {})
            first = None if requester in self._passed else self._first(lanes.values())
            if first is None:
                heapq.heappop(queue)
                continue
            place = (self._lanes.score(requester, self._now), *first[0], requester)
            if place > queue[0]:
                heapq.heapreplace(queue, place)
                continue
            return first[1], first[0][1]
        return None

    def _first(self, lanes: Iterable[Lane]) -> tuple[Head, Lane] | None:
        """The lane of a requester whose job came first, of those that may still be taken from."""
        best: tuple[Head, Lane] | None = None
        for lane in lanes:
            if lane.fit.full or lane.fit in self._passed or lane in self._passed:
                continue
            head = lane.head(self._lanes.places)
            if best is None or head < best[0]:
                best = (head, lane)
        return best
