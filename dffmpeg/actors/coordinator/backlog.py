"""The scheduler's board, kept up with the store: what decisions, limits and explanations look at.

Nothing in it is truth. The scheduler reads it from rows when it starts; from then on the store's journals
say what was committed, and what a change does not tell is looked up.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from dffmpeg.actors.coordinator.refusals import TooMany
from dffmpeg.model.jobs import LIVE, Job, JobState, Transition
from dffmpeg.model.scheduling import quarantine
from dffmpeg.model.scheduling.board import Board, Decision
from dffmpeg.model.scheduling.entries import Entry
from dffmpeg.model.scheduling.ledger import Ledger
from dffmpeg.model.scheduling.pause import Pause
from dffmpeg.model.scheduling.policy import Policy
from dffmpeg.model.workers import Worker
from dffmpeg.store import Store
from dffmpeg.store.journal import Change, JobChanged, Journal, MemberChanged, MessageStored, WorkerChanged

log = logging.getLogger(__name__)

_PAGE = 2000
_USES = 20_000
"""Attempts that are looked at for what requesters used lately."""

_MEMORY = 6.0
"""Half-lives after which use is forgotten when it is read anew."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the end of an attempt says of its worker: against it with a failure, else for it.

    `detail` is why the attempt ended.
    """

    worker_id: str
    job_id: str
    failure: str | None
    detail: str


class Backlog:
    """See the module.

    Args:
        policy: what decisions go by.
        clock: Unix seconds.
    """

    def __init__(self, policy: Policy, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.board = Board(policy)
        self._policy = policy
        self._coming = Ledger(policy, self.board.pool)
        self._jobs: set[str] = set()
        self._workers: set[str] = set()
        self._judgements: list[Judgement] = []
        # What rows are being read of.
        self._looking: Counter[str] = Counter()

    # Reading

    async def load(self, store: Store) -> None:
        """Read everything anew."""
        for journal in _journals(store):
            journal.open()
        self.board = Board(self._policy)
        self._coming = Ledger(self._policy, self.board.pool)
        self._jobs, self._workers, self._judgements = set(), set(), []
        board, now = self.board, self.clock()
        board.paused = (await store.settings.pause()).paused
        for worker in await store.workers.list(None):
            board.set_worker(worker, now)
        served = await self._recall(store, now)
        for entry in await store.jobs.live_entries():
            board.put(entry, now)
        after: Entry | None = None
        while page := await store.jobs.queue(_PAGE, after=after):
            for entry in page:
                board.put(entry, now)
                board.waited(entry.priority, max(entry.created_at, served.get(entry.priority, 0.0)))
            after = page[-1]
        # What was committed meanwhile may be in what was read, or not.
        for journal in _journals(store):
            for change in journal.read() or ():
                self._look_up_later(change)
        await self.look_up(store)

    async def _recall(self, store: Store, now: float) -> dict[int, float]:
        """Account for what requesters used lately; returns by priority when a job was given away last."""
        served: dict[int, float] = {}
        for use in await store.jobs.uses(now - _MEMORY * self._policy.half_life, _USES):
            self.board.recall(use.requester_id, use.begin, use.end or now, now)
            served[use.priority] = max(use.begin, served.get(use.priority, 0.0))
        return served

    def close(self, store: Store) -> None:
        """Nobody reads any more."""
        for journal in _journals(store):
            journal.close()

    def read(self, store: Store) -> bool:
        """Take in what was committed; what that does not tell is to be looked up.

        Returns:
            False where something was missed, so that all has to be read anew.
        """
        now = self.clock()
        for journal in _journals(store):
            changes = journal.read()
            if changes is None:
                return False
            for change in changes:
                if isinstance(change, Transition):
                    # Told once and nowhere else, so also where the row is to be looked up.
                    self._judge(self.board.entries.get(change.job_id), change)
                self._take(change, now)
        return True

    def _take(self, change: Change, now: float) -> None:
        if _subject(change) in self._looking:
            # The row that is being read may be older than this, or not.
            self._look_up_later(change)
            return
        match change:
            case Job():
                self.board.put(Entry.of(change), now)
            case Transition():
                entry = self.board.entries.get(change.job_id)
                if entry is None or change.job_id in self._jobs:
                    self._jobs.add(change.job_id)
                    return
                self.board.put(entry.after(change), now)
            case Worker():
                known = self.board.pool.nodes.get(change.worker_id)
                if known is None:
                    self._workers.add(change.worker_id)
                else:
                    self.board.set_worker(_with_hold_of(change, known.worker), now)
            case Pause():
                self.board.paused = change.paused
            case JobChanged() | WorkerChanged():
                self._look_up_later(change)
            case MemberChanged() | MessageStored():
                pass

    def _look_up_later(self, change: Change) -> None:
        match change:
            case Job() | Transition() | JobChanged():
                self._jobs.add(change.job_id)
            case Worker() | WorkerChanged():
                self._workers.add(change.worker_id)
            case Pause():
                self.board.paused = change.paused
            case MemberChanged() | MessageStored():
                pass

    def _judge(self, entry: Entry | None, end: Transition) -> None:
        if end.closes is None or entry is None or entry.worker_id is None:
            return
        reason = str(end.changes.get("reason"))
        for_it = quarantine.verdict(end.closes, reason)
        if for_it is not None:
            failure = None if for_it else quarantine.failure(end.closes, reason)
            self._judgements.append(Judgement(entry.worker_id, entry.job_id, failure, reason))

    async def look_up(self, store: Store) -> None:
        """Read the rows of which only that they changed is known."""
        while self._jobs or self._workers:
            jobs, self._jobs = self._jobs, set()
            workers, self._workers = self._workers, set()
            with self._looking_at(jobs | workers):
                await self._read_rows(store, jobs, workers)

    async def _read_rows(self, store: Store, jobs: set[str], workers: set[str]) -> None:
        found = {entry.job_id: entry for entry in await store.jobs.entries(jobs)} if jobs else {}
        now = self.clock()
        for job_id in jobs:
            if job_id in found:
                self.board.put(found[job_id], now)
            else:
                self.board.forget(job_id, now)
        for worker_id in workers:
            worker = await store.workers.get(worker_id)
            if worker is None:
                self.board.pool.drop_worker(worker_id)
            else:
                self.board.set_worker(worker, self.clock())

    @contextmanager
    def _looking_at(self, subjects: set[str]) -> Iterator[None]:
        self._looking += Counter(subjects)
        try:
            yield
        finally:
            self._looking -= Counter(subjects)

    async def distrust(self, store: Store, decision: Decision) -> None:
        """The store refused what was decided: look at all that it was decided by."""
        self._jobs.add(decision.entry.job_id)
        self._workers.add(decision.worker_id)
        here = {entry.job_id for entry in await store.jobs.live_entries(decision.worker_id)}
        node = self.board.pool.nodes.get(decision.worker_id)
        self._jobs |= here if node is None else here ^ node.load.jobs.keys()
        await self.look_up(store)

    async def agrees(self, store: Store) -> bool:
        """Whether as many jobs are pending and live here as there are in the store."""
        if not self.read(store):
            return False
        await self.look_up(store)
        counts = await store.jobs.counts({JobState.PENDING, *LIVE})
        if not self.read(store) or self._jobs:
            # Something changes just now: that is what we would have heard of.
            return True
        pending = counts.get(JobState.PENDING, 0)
        live = sum(counts.get(state, 0) for state in LIVE)
        known = self.board.ledger.pending, len(self.board.entries) - self.board.ledger.pending
        if (pending, live) == known:
            return True
        log.warning(
            "%d pending and %d live jobs, known were %d and %d: all is read anew", pending, live, *known
        )
        return False

    def judgements(self) -> list[Judgement]:
        """What the attempts that ended since the last time say of their workers."""
        judgements, self._judgements = self._judgements, []
        return [one for one in judgements if one.failure is not None or self._has_strikes(one.worker_id)]

    def _has_strikes(self, worker_id: str) -> bool:
        node = self.board.pool.nodes.get(worker_id)
        return node is None or node.worker.strikes > 0

    # Limits

    @contextmanager
    def admitted(self, store: Store, job: Job) -> Iterator[None]:
        """Around the storing of a new job.

        Raises:
            TooMany: as many are in the queue as there may be.
        """
        if not self.read(store):
            # The scheduler is about to read everything; one job more or less does not matter.
            yield
            return
        why = self.board.ledger.full(job.requester_id, job.labels, coming=self._coming)
        if why is not None:
            raise TooMany(f"{why}; try again later")
        coming, entry = self._coming, Entry.of(job)
        coming.queue(entry, 1)
        try:
            yield
        finally:
            coming.queue(entry, -1)


def _subject(change: Change) -> str | None:
    match change:
        case Job() | Transition() | JobChanged():
            return change.job_id
        case Worker() | WorkerChanged():
            return change.worker_id
        case Pause() | MemberChanged() | MessageStored():
            return None


def _journals(store: Store) -> list[Journal]:
    """One, where jobs and workers share a database."""
    return list({id(one): one for one in (store.jobs.journal, store.workers.journal)}.values())


def _with_hold_of(worker: Worker, known: Worker) -> Worker:
    """A registration does not change what others decided."""
    return replace(
        worker,
        hold=known.hold,
        hold_reason=known.hold_reason,
        hold_until=known.hold_until,
        strikes=known.strikes,
    )
