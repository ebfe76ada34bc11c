"""Why a job is where it is: the scheduler's own conditions, each asked and put into words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dffmpeg.model.jobs import JobState
from dffmpeg.model.scheduling.board import Board
from dffmpeg.model.scheduling.entries import Entry
from dffmpeg.model.scheduling.nodes import Fit, Node
from dffmpeg.model.scheduling.pool import Barrier, size_class
from dffmpeg.model.suitability import obstacles


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is for or against one worker.

    Attributes:
        suitable: it could run the job at all.
        has_room: nothing of its own is against its getting the job now.
        reasons: what is against it; where nothing is, what it is chosen by.
        score: what it is compared by, where it is suitable.
    """

    worker_id: str
    status: str
    suitable: bool
    has_room: bool
    reasons: tuple[str, ...]
    score: float | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """See `explain`.

    Attributes:
        waits_for: what keeps the job from every worker.
        workers: the one that would get it first, the others by id.
        first: which would get it, if it were its turn and nothing kept it from every worker.
    """

    waits_for: tuple[str, ...]
    workers: tuple[Verdict, ...]
    first: str | None

    @property
    def may_start(self) -> bool:
        """Whether nothing keeps the job from every worker: only its turn, or room, can be missing."""
        return not self.waits_for

    @property
    def choice(self) -> str | None:
        """Which worker gets it now, if it is its turn."""
        return self.first if self.may_start else None


def explain(board: Board, job_id: str, now: float) -> Explanation:
    """What a job waits for, and what is for or against each worker.

    For one that is not pending only what it is instead is said.
    """
    board.advance(now)
    entry = board.entries.get(job_id)
    if entry is None:
        return Explanation(("it has ended",), (), None)
    if entry.state is not JobState.PENDING:
        return Explanation((f"it is {entry.state.value} on {entry.worker_id}",), (), None)
    fit = board.pool.fit(entry.shape)
    avoid = board.avoided(entry, now)
    size = size_class(entry.size)
    node = board.pool.choose(fit, size, avoid)
    first = None if node is None else node.worker.worker_id
    verdicts = [_verdict(board, each, fit, size, avoid) for each in board.pool.nodes.values()]
    verdicts.sort(key=lambda one: (one.worker_id != first, one.worker_id))
    return Explanation(tuple(_waits_for(board, entry, fit, now)), tuple(verdicts), first)


def _waits_for(board: Board, entry: Entry, fit: Fit, now: float) -> Iterator[str]:
    yield from (wait.text for wait in board.waits(entry, now))
    if not board.pool.nodes:
        yield "no worker has ever registered"
    elif not fit.suits:
        yield "no known worker could run it"


def _verdict(board: Board, node: Node, fit: Fit, size: int, avoid: str | None) -> Verdict:
    worker = node.worker
    ever = obstacles(fit.shape.job, worker)
    if ever:
        return Verdict(worker.worker_id, worker.status, False, False, ever, None)
    score = board.pool.score(node, fit, size) if worker.slots else 0.0
    barrier = board.pool.barrier(node, fit)
    if barrier is not None:
        return Verdict(worker.worker_id, worker.status, True, False, (_said(barrier, node, fit),), score)
    if worker.worker_id == avoid:
        reason = "it has just failed this job, and others could run it"
        return Verdict(worker.worker_id, worker.status, True, False, (reason,), score)
    return Verdict(worker.worker_id, worker.status, True, True, tuple(_merits(node, fit)), score)


def _said(barrier: Barrier, node: Node, fit: Fit) -> str:
    worker = node.worker
    match barrier:
        case Barrier.STATE:
            return f"it is {worker.state.value}"
        case Barrier.HOLD:
            return f"it is {worker.status}" + (f": {worker.hold_reason}" if worker.hold_reason else "")
        case Barrier.HOURS:
            return f"it takes jobs at {worker.hours}"
        case Barrier.SLOTS:
            return f"{node.load.used} of its {worker.slots} slots are taken"
        case Barrier.PROBATION:
            return "it is back from quarantine, and has to do one job well before it gets more"
        case Barrier.RESOURCE:
            return "; ".join(
                f"{node.load.taken.get(name, 0)} of its {worker.resources[name]} {name} are taken"
                + (f", and {number} are needed" if number > 1 else "")
                for name, number in fit.asked.items()
                if name in worker.resources and node.load.taken.get(name, 0) + number > worker.resources[name]
            )
        case Barrier.KEPT:
            return "it is kept for a job that waits for several of its resources at once"


def _merits(node: Node, fit: Fit) -> Iterator[str]:
    worker = node.worker
    yield f"{worker.slots - node.load.used} of {worker.slots} slots are free"
    for name in fit.asked:
        if name in worker.resources:
            free = worker.resources[name] - node.load.taken.get(name, 0)
            yield f"{free} of {worker.resources[name]} {name} are free"
    shared = [label for label in fit.shape.labels if label in worker.labels]
    if shared:
        yield f"it has the job's labels {', '.join(shared)}"
    if worker.weight != 1.0:
        yield f"its weight is {worker.weight:g}"
    if worker.benchmark is not None:
        yield f"it does {worker.benchmark / 1e6:.0f} million pixels a second"
