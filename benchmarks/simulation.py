"""A cluster's queue on a virtual clock, driven by the real scheduler: python -m benchmarks.simulation

Workers with slots and resources, requesters who keep the queue full, jobs that fail, workers that come and
go, everything drawn from one seed. Prints what the invariants look at, and how many decisions a second
there are with 10,000 pending jobs and 1,000 workers.
"""

from __future__ import annotations

import argparse
import heapq
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from dffmpeg.model.jobs import JobState
from dffmpeg.model.needs import Needs
from dffmpeg.model.scheduling.board import Board, Decision
from dffmpeg.model.scheduling.entries import Entry, Shape
from dffmpeg.model.scheduling.policy import Limit, Policy, PriorityClass
from dffmpeg.model.workers import Hold, Worker, WorkerState

BEGIN = 1_000_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is simulated. Times are seconds of the virtual clock.

    Attributes:
        failures: the share of attempts whose worker loses them.
        outages: the share of workers that are away at some time.
        mean: how long a job takes on average.
    """

    workers: int = 200
    requesters: int = 50
    jobs: int = 100_000
    failures: float = 0.02
    outages: float = 0.2
    mean: float = 60.0
    seed: int = 1


@dataclass(slots=True)
class Result:
    """What came of it.

    Attributes:
        oversubscribed: how often a worker had more than it has slots or resources for.
        shares: of the slot-time that requesters of equal standing got while all of them had jobs waiting,
            by requester, as a multiple of an equal share.
        above_limit: how often more jobs ran than a limit allows.
        unreserved: how often a job of lower priority took a slot that was kept for a higher one.
        gaps: the longest that somebody had jobs waiting and none of them started: each priority, each
            requester in it, and each shape. Seconds.
        decisions: how many were made.
        seconds: of a processor, in all decisions.
        steps: the decisions of each tenth of the run, and the seconds that they took.
    """

    completed: int = 0
    lost: int = 0
    oversubscribed: int = 0
    above_limit: int = 0
    unreserved: int = 0
    shares: dict[str, float] = field(default_factory=dict)
    gaps: dict[str, float] = field(default_factory=dict)
    decisions: int = 0
    seconds: float = 0.0
    steps: list[tuple[int, float]] = field(default_factory=list)
    makespan: float = 0.0


POLICY = Policy(
    classes=(
        PriorityClass(name="low", priority=-50),
        PriorityClass(name="normal", priority=0),
        PriorityClass(name="high", priority=50, reserved=10),
    ),
    aging=60.0,
    labels={"scarce": Limit(running=20)},
)

SHAPES = (
    (70, Shape("ffmpeg")),
    (15, Shape("ffmpeg", needs=Needs(resources={"nvenc": 1}))),
    (3, Shape("ffmpeg", needs=Needs(resources={"nvenc": 2}))),
    (7, Shape("ffmpeg", paths=("Movies",))),
    (5, Shape("ffmpeg", labels=("scarce",))),
)


def worker(number: int, plan: Plan) -> Worker:
    """One of the cluster's: every fourth has a GPU, every tenth lacks the films."""
    del plan
    return Worker(
        worker_id=f"w{number:04}",
        state=WorkerState.ONLINE,
        binaries=("ffmpeg",),
        paths=() if number % 10 == 0 else ("Movies",),
        slots=2 + number % 4,
        resources={"nvenc": 2} if number % 4 == 0 else {},
        weight=1.0 + number % 3,
        benchmark=1e8 * (1 + number % 5),
        last_seen=BEGIN,
        registered_at=BEGIN,
    )


class Simulation:
    """One run."""

    def __init__(self, plan: Plan, policy: Policy = POLICY) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)
        self._board = Board(policy)
        self._now = BEGIN
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = iter(range(1 << 60))
        self._workers = {one.worker_id: one for one in (worker(n, plan) for n in range(plan.workers))}
        self._used: Counter[str] = Counter()
        self._taken: Counter[tuple[str, str]] = Counter()
        self._running: dict[str, tuple[Decision, float]] = {}
        # Whoever waits for a start, by what it is waiting for: since when, and with how many jobs.
        self._hungry: dict[tuple[str, str], float] = {}
        self._waiting: Counter[tuple[str, str]] = Counter()
        self._high = 0
        self._scarce = 0
        # Requesters of equal standing: all have ordinary jobs, and there are always some waiting.
        self._equal = [f"r{number:02}" for number in range(plan.requesters)]
        self._got: Counter[str] = Counter()
        self._counting = True
        self.result = Result()

    def run(self) -> Result:
        """Until every job is completed."""
        for one in self._workers.values():
            self._board.set_worker(one, self._now)
        for entry in self._jobs():
            self._submit(entry)
        self._plan_outages()
        self._decide()
        tenth, mark = max(1, self._plan.jobs // 10), (0, 0.0)
        while self._events:
            self._now, _, happen = heapq.heappop(self._events)
            happen()
            # What happens at one moment is one wake.
            while self._events and self._events[0][0] <= self._now:
                heapq.heappop(self._events)[2]()
            self._decide()
            if self.result.decisions - mark[0] >= tenth:
                step = (self.result.decisions - mark[0], self.result.seconds - mark[1])
                self.result.steps.append(step)
                mark = (self.result.decisions, self.result.seconds)
        self.result.makespan = self._now - BEGIN
        total = sum(self._got[name] for name in self._equal)
        self.result.shares = {name: self._got[name] * len(self._equal) / total for name in self._equal}
        return self.result

    def _jobs(self) -> Iterator[Entry]:
        """Everybody's backlog at the beginning; some jobs of other priorities come on the way."""
        rng, plan = self._random, self._plan
        weights, shapes = [weight for weight, _ in SHAPES], [shape for _, shape in SHAPES]
        others = plan.jobs // 20
        for number in range(plan.jobs - others):
            # Some have jobs ten times as long as others', and get as much time for them.
            requester = self._equal[number % plan.requesters]
            yield Entry(
                job_id=f"j{number:06}",
                requester_id=requester,
                shape=rng.choices(shapes, weights)[0],
                created_at=BEGIN + number * 1e-6,
                last_update=BEGIN,
                size=rng.choice((None, 1e8, 1e10, 1e12)),
            )
        for number in range(others):
            at = BEGIN + rng.random() * self._span * 0.8
            entry = Entry(
                job_id=f"x{number:06}",
                requester_id=f"other{number % 7}",
                shape=shapes[0],
                priority=rng.choice((-50, 50)),
                created_at=at,
                last_update=at,
            )
            self._at(at, lambda entry=entry: self._submit(entry))  # type: ignore[misc]

    @property
    def _span(self) -> float:
        """About how long it is going to take."""
        slots = sum(one.slots for one in self._workers.values())
        return self._plan.jobs * self._plan.mean / slots

    def _plan_outages(self) -> None:
        for one in self._workers.values():
            if self._random.random() < self._plan.outages:
                leave = BEGIN + self._random.random() * self._span * 0.7
                self._at(leave, lambda one=one: self._leave(one))  # type: ignore[misc]
                back = leave + self._random.uniform(1.0, 20.0) * self._plan.mean
                self._at(back, lambda one=one: self._return(one))  # type: ignore[misc]

    def _at(self, moment: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._numbers), happen))

    def _submit(self, entry: Entry) -> None:
        self._put(entry)

    def _put(self, entry: Entry) -> None:
        for key in _waiters(entry):
            self._waiting[key] += 1
            self._hungry.setdefault(key, self._now)
        self._board.put(entry, self._now)

    def _fed(self, entry: Entry) -> None:
        """A job starts: whoever waited for that waits anew."""
        for key in _waiters(entry):
            gap = self._now - self._hungry.pop(key)
            self.result.gaps[key[0]] = max(gap, self.result.gaps.get(key[0], 0.0))
            self._waiting[key] -= 1
            if self._waiting[key]:
                self._hungry[key] = self._now

    def _leave(self, one: Worker) -> None:
        """Half of them crash, and lose what they have; the others are paused."""
        if self._random.random() < 0.5:
            self._board.set_worker(replace(one, hold=Hold.PAUSED), self._now)
            return
        self._board.set_worker(replace(one, state=WorkerState.OFFLINE), self._now)
        for job_id, (decision, _) in list(self._running.items()):
            if decision.worker_id == one.worker_id:
                self._lose(job_id)

    def _return(self, one: Worker) -> None:
        self._board.set_worker(one, self._now)

    def _decide(self) -> None:
        while True:
            begun = time.perf_counter()
            made = self._board.decide(self._now)
            self.result.seconds += time.perf_counter() - begun
            for decision in made:
                self._start(decision)
            if not made:
                return

    def _start(self, decision: Decision) -> None:
        entry = decision.entry
        self.result.decisions += 1
        one = self._workers[decision.worker_id]
        self._used[one.worker_id] += 1
        self.result.oversubscribed += self._used[one.worker_id] > one.slots
        for name, number in decision.charge.items():
            self._taken[one.worker_id, name] += number
            self.result.oversubscribed += self._taken[one.worker_id, name] > one.resources[name]
        for name, number in entry.shape.needs.resources.items():
            if one.resources and decision.charge.get(name) != number:
                self.result.oversubscribed += 1
        self._fed(entry)
        self._check_limits(entry)
        self._running[entry.job_id] = (decision, self._now)
        # Every third requester's jobs are four times as long as the others'.
        mean = self._plan.mean * (2.0 if hash_of(entry.requester_id) % 3 == 0 else 0.5)
        attempt, seconds = entry.attempt + 1, self._random.expovariate(1.0 / mean)
        happen = self._lose if self._random.random() < self._plan.failures else self._complete
        self._at(self._now + seconds, lambda: self._current(entry.job_id, attempt, happen))

    def _check_limits(self, entry: Entry) -> None:
        limit = POLICY.labels["scarce"].running
        assert limit is not None
        self._scarce += "scarce" in entry.shape.labels
        self.result.above_limit += self._scarce > limit
        if entry.priority == 50:
            self._high += 1
            return
        online = (node.worker for node in self._board.pool.nodes.values() if node.takes_jobs)
        free = sum(max(0, one.slots - self._used[one.worker_id]) for one in online)
        self.result.unreserved += free < POLICY.classes[-1].reserved - self._high

    def _current(self, job_id: str, attempt: int, happen: Callable[[str], None]) -> None:
        if job_id in self._running and self._running[job_id][0].entry.attempt + 1 == attempt:
            happen(job_id)

    def _free(self, job_id: str) -> Decision:
        decision, began = self._running.pop(job_id)
        self._high -= decision.entry.priority == 50
        self._scarce -= "scarce" in decision.entry.shape.labels
        self._used[decision.worker_id] -= 1
        for name, number in decision.charge.items():
            self._taken[decision.worker_id, name] -= number
        if self._counting:
            self._got[decision.entry.requester_id] += self._now - began  # type: ignore[assignment]
            # Once somebody has nothing left to wait, the others share what is theirs.
            if not all(self._board.ledger.queued[name] for name in self._equal):
                self._counting = False
                for other, since in self._running.values():
                    self._got[other.entry.requester_id] += self._now - since  # type: ignore[assignment]
        return decision

    def _complete(self, job_id: str) -> None:
        self._free(job_id)
        self.result.completed += 1
        self._board.forget(job_id, self._now)

    def _lose(self, job_id: str) -> None:
        decision = self._free(job_id)
        self.result.lost += 1
        entry = replace(
            decision.entry,
            attempt=decision.entry.attempt + 1,
            excluded_worker=decision.worker_id,
            last_update=self._now,
        )
        self._put(entry)


def _waiters(entry: Entry) -> tuple[tuple[str, str], ...]:
    """What a job's start ends the waiting of, each with its kind."""
    return (
        (f"priority {entry.priority}", ""),
        (f"each requester at {entry.priority}", entry.requester_id),
        (f"shape {entry.shape.needs.resources or entry.shape.paths or entry.shape.labels}", ""),
    )


def hash_of(name: str) -> int:
    """The number in a requester's name."""
    return int("".join(letter for letter in name if letter.isdigit()) or 0)


def rate(pending: int = 10_000, workers: int = 1_000, decisions: int = 10_000) -> float:
    """Decisions a second in a full cluster, in which one job after the other ends and another one comes."""
    plan = Plan(workers=workers)
    board, now = Board(Policy()), BEGIN
    for number in range(workers):
        board.set_worker(worker(number, plan), now)
    rng = random.Random(7)
    weights, shapes = [weight for weight, _ in SHAPES], [shape for _, shape in SHAPES]

    def job(number: int) -> Entry:
        return Entry(
            job_id=f"j{number}",
            requester_id=f"r{rng.randrange(50)}",
            shape=rng.choices(shapes, weights)[0],
            priority=rng.choice((-50, 0, 0, 0, 50)),
            created_at=now,
            last_update=now,
            size=rng.choice((None, 1e8, 1e12)),
        )

    numbers = iter(range(1 << 40))
    while board.pool.free > 0 or board.ledger.pending < pending:
        board.put(job(next(numbers)), now)
        board.decide(now)
    running = [entry.job_id for entry in board.entries.values() if entry.state is not JobState.PENDING]
    made, begun = 0, time.perf_counter()
    while made < decisions:
        now += 0.01
        board.forget(running.pop(rng.randrange(len(running))), now)
        board.put(job(next(numbers)), now)
        for decision in board.decide(now):
            running.append(decision.entry.job_id)
            made += 1
    return made / (time.perf_counter() - begun)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=100_000)
    arguments = parser.parse_args()
    plan = Plan(seed=arguments.seed, jobs=arguments.jobs)
    begun = time.perf_counter()
    result = Simulation(plan).run()
    print(f"{plan.jobs} jobs of {plan.requesters} requesters on {plan.workers} workers, seed {plan.seed}:")
    print(f"  {result.makespan / 3600:.1f} h of the virtual clock in {time.perf_counter() - begun:.1f} s")
    print(f"  {result.completed} completed, {result.lost} attempts lost on the way")
    print(
        f"  oversubscribed {result.oversubscribed} times, above a limit {result.above_limit} times,"
        f" in reserved slots {result.unreserved} times"
    )
    low, high = min(result.shares.values()), max(result.shares.values())
    print(f"  slot-time of requesters of equal standing: {low:.3f} to {high:.3f} of an equal share")
    for kind, gap in sorted(result.gaps.items()):
        print(f"  longest without a start while jobs wait, {kind}: {gap:.0f} s")
    print(f"  {result.decisions / result.seconds:.0f} decisions/s; by tenths of the run:")
    print("   " + "".join(f" {made / took:.0f}" for made, took in result.steps))
    print(f"10,000 pending jobs x 1,000 workers: {rate():.0f} decisions/s")


if __name__ == "__main__":
    main()
