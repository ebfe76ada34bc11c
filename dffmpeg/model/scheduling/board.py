"""Which pending job goes to which worker: the decision. Pure.

The board is a copy of the rows that matter. It decides at a moment, and counts what it decided as done;
whoever carries a decision out puts the row's truth in its place.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from dffmpeg.model import durations
from dffmpeg.model.jobs import LIVE, JobState
from dffmpeg.model.scheduling.capacity import charged
from dffmpeg.model.scheduling.entries import Entry
from dffmpeg.model.scheduling.fairness import Usage
from dffmpeg.model.scheduling.lanes import Lane, Lanes
from dffmpeg.model.scheduling.ledger import Ledger, Reach, Wait
from dffmpeg.model.scheduling.nodes import Fit
from dffmpeg.model.scheduling.policy import Policy
from dffmpeg.model.scheduling.pool import Pool, size_class
from dffmpeg.model.workers import Worker

ROUND = 256
"""Decisions that are made at once: their commits travel together."""

_TIDY_EVERY = 4096


@dataclass(frozen=True, slots=True)
class Decision:
    """A job is to go to a worker.

    Attributes:
        entry: as it was pending.
        charge: what it takes of the worker's resources.
        at_most: slots of the worker that may be in use then, this one among them.
    """

    entry: Entry
    worker_id: str
    charge: Mapping[str, int]
    at_most: int


class Board:
    """All pending and live jobs and all workers, and what is decided about them.

    Times are Unix seconds; a clock that is set back only makes things wait.

    Attributes:
        paused: no job is given to any worker.
        entries: by job.
        pool: the workers.
        ledger: how many there are of what.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.paused = False
        self.pool = Pool(policy)
        self.ledger = Ledger(policy, self.pool)
        self.entries: dict[str, Entry] = {}
        self.usage = Usage(policy.half_life)
        self._lanes = Lanes(self.usage, policy.aging)
        self._began: dict[str, float] = {}
        # Moments at which a pending job may begin to matter, or its patience ends.
        self._moments: list[tuple[float, str]] = []
        self._overdue: set[str] = set()
        self._untidied = 0

    # Rows

    def put(self, entry: Entry, now: float) -> None:
        """Take a job's row: a new one, or what became of one. One that has ended is forgotten."""
        before = self.entries.get(entry.job_id)
        if before is not None:
            if before.state in LIVE and entry.state in LIVE and before.worker_id == entry.worker_id:
                self.entries[entry.job_id] = replace(entry, shape=before.shape, resources=before.resources)
                return
            self.forget(entry.job_id, now)
        if entry.state is JobState.PENDING:
            self._enter_pending(entry, now)
        elif entry.state in LIVE and entry.worker_id is not None:
            self._enter_live(entry, entry.worker_id, now)

    def forget(self, job_id: str, now: float) -> None:
        """A job is neither pending nor live any more."""
        entry = self.entries.pop(job_id, None)
        if entry is None:
            return
        if entry.state is JobState.PENDING:
            self._leave_pending(entry)
        elif entry.worker_id is not None:
            self.pool.give_back(job_id, entry.worker_id)
            self.ledger.run(entry, -1)
            self.usage.ended(entry.requester_id, now, max(0.0, now - self._began.pop(job_id)))

    def _enter_pending(self, entry: Entry, now: float) -> None:
        if not self.ledger.busy(entry.requester_id):
            self.usage.joined(entry.requester_id, now)
        fit = self.pool.fit(entry.shape)
        fit.pending += 1
        # One object for all jobs of a shape.
        self.entries[entry.job_id] = replace(entry, shape=fit.shape)
        self.ledger.queue(entry, 1)
        for moment in self._moments_of(entry):
            heapq.heappush(self._moments, (moment, entry.job_id))
        if eligible(entry, now):
            self._lanes.put(entry, fit, now)

    def _leave_pending(self, entry: Entry) -> None:
        self.ledger.queue(entry, -1)
        self._lanes.remove(entry.job_id)
        self._overdue.discard(entry.job_id)
        self.pool.fits[entry.shape].pending -= 1

    def _enter_live(self, entry: Entry, worker_id: str, now: float) -> None:
        self.entries[entry.job_id] = entry
        self.pool.take(entry.job_id, worker_id, entry.resources)
        self.ledger.run(entry, 1)
        self._began[entry.job_id] = now
        self.usage.started(entry.requester_id, now)

    def set_worker(self, worker: Worker, now: float) -> bool:
        """Take a worker's row; returns whether anything changed that matters here."""
        return self.pool.set_worker(worker, now)

    # Time

    def advance(self, now: float) -> None:
        """Let time pass: jobs that waited for it may start, or are overdue; workers open and close."""
        while self._moments and self._moments[0][0] <= now:
            _, job_id = heapq.heappop(self._moments)
            entry = self.entries.get(job_id)
            if entry is None or entry.state is not JobState.PENDING:
                continue
            if entry.deadline is not None and entry.deadline <= now:
                self._overdue.add(job_id)
            if job_id not in self._lanes and eligible(entry, now):
                self._lanes.put(entry, self.pool.fit(entry.shape), now)
        self.pool.advance(now)

    def overdue(self) -> list[Entry]:
        """Pending jobs whose submitter does not want to wait any longer, as of the last `advance`."""
        return [self.entries[job_id] for job_id in self._overdue]

    def next_moment(self, now: float) -> float | None:
        """When time alone may change something next; what is due already does not count."""
        while self._moments and not self._matters(*self._moments[0], now):
            heapq.heappop(self._moments)
        found = [self._moments[0][0]] if self._moments else []
        if self.pool.next_change is not None and self.ledger.pending:
            found.append(self.pool.next_change)
        return min(found, default=None)

    def _matters(self, moment: float, job_id: str, now: float) -> bool:
        entry = self.entries.get(job_id)
        if entry is None or entry.state is not JobState.PENDING:
            return False
        return moment <= now or moment in self._moments_of(entry)

    def _moments_of(self, entry: Entry) -> list[float]:
        moments = []
        if entry.not_before is not None and not entry.blocked:
            moments.append(entry.not_before)
        if entry.deadline is not None:
            moments.append(entry.deadline)
        if entry.excluded_worker is not None:
            moments.append(entry.last_update + self.policy.avoid)
        return moments

    # Conditions, for the decision and for its explanation

    def waits(self, entry: Entry, now: float) -> Iterator[Wait]:
        """What keeps a pending job from every worker."""
        if self.paused:
            yield Wait("the queue is paused", Reach.LEVEL)
        if entry.blocked:
            yield Wait(f"{entry.blocked} of the jobs that it comes after have not completed")
        if entry.not_before is not None and entry.not_before > now:
            left = durations.show(max(1, math.ceil(entry.not_before - now)))
            yield Wait(f"it is not to be tried for another {left}")
        yield from self.ledger.gates(entry)

    def avoided(self, entry: Entry, now: float) -> str | None:
        """The worker that does not get the job now, because it has just failed it and another one could."""
        worker_id = entry.excluded_worker
        if worker_id is None or now >= entry.last_update + self.policy.avoid:
            return None
        return worker_id if self.pool.others(self.pool.fit(entry.shape), worker_id) else None

    # Deciding

    def decide(self, now: float, limit: int = ROUND) -> list[Decision]:
        """Give jobs to workers, until none can be given or there are so many decisions."""
        self.advance(now)
        made: list[Decision] = []
        if self.paused or self.pool.free <= 0 or not self._lanes.levels:
            return made
        self.pool.let_go()
        order = self._lanes.round(now)
        while len(made) < limit and self.pool.free > 0:
            first = order.next()
            if first is None:
                break
            lane, job_id = first
            decision = self._decide(self.entries[job_id], lane, now)
            if isinstance(decision, Decision):
                made.append(decision)
            else:
                order.passed(lane, decision)
        self._tidy(len(made), now)
        return made

    def _decide(self, entry: Entry, lane: Lane, now: float) -> Decision | Reach:
        wait = next(self.waits(entry, now), None)
        if wait is not None:
            return wait.reach
        fit, avoid = lane.fit, self.avoided(entry, now)
        node = self.pool.choose(fit, size_class(entry.size), avoid)
        if node is None:
            return self._found_no_room(fit, avoid, now)
        worker_id = node.worker.worker_id
        charge = charged(fit.asked, node.worker) if fit.asked else {}
        fit.passed_since = fit.kept = None
        lane.level.since = now
        given = replace(
            entry,
            state=JobState.ASSIGNED,
            attempt=entry.attempt + 1,
            worker_id=worker_id,
            resources=charge,
            last_update=now,
        )
        self.put(given, now)
        return Decision(entry, worker_id, charge, node.at_most)

    def _found_no_room(self, fit: Fit, avoid: str | None, now: float) -> Reach:
        """A job that asks for much would wait for ever while others take what becomes free piece by piece:
        after some patience a worker is kept for it."""
        if avoid is not None:
            return Reach.LANE
        if not fit.greedy:
            fit.full = True
            return Reach.SHAPE
        if fit.passed_since is None:
            fit.passed_since = now
        if now >= fit.passed_since + self.policy.patience:
            self.pool.keep(fit)
        return Reach.SHAPE

    def _tidy(self, made: int, now: float) -> None:
        self._untidied += made
        if self._untidied >= _TIDY_EVERY or len(self.pool.fits) > 1024:
            self._untidied = 0
            self.usage.forget(now)
            self.pool.forget_shapes()

    # What came before, as the rows tell

    def recall(self, requester: str, begin: float, end: float, now: float) -> None:
        """A requester used a slot in the past."""
        self.usage.recall(requester, begin, end, now)

    def waited(self, priority: int, since: float) -> None:
        """Jobs of this priority wait, and none of them was given to a worker, since then."""
        level = self._lanes.levels.get(priority)
        if level is not None:
            level.since = min(level.since, since)


def eligible(entry: Entry, now: float) -> bool:
    """Whether nothing of its own keeps a pending job from being tried."""
    return not entry.blocked and (entry.not_before is None or entry.not_before <= now)
