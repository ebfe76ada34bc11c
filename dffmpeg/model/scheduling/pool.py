"""The workers as the scheduler sees them: what is free where, and which of them is best for a job. Pure.

For each shape of job the workers that suit it stand in a heap. A worker that was given a job only becomes
worse, so its place is looked at again when it comes to the top; one that became better is put in anew.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from enum import Enum

from dffmpeg.model.scheduling import hours
from dffmpeg.model.scheduling.capacity import charged, short_of
from dffmpeg.model.scheduling.entries import Shape
from dffmpeg.model.scheduling.nodes import EVER, Fit, Load, Node
from dffmpeg.model.scheduling.policy import Policy
from dffmpeg.model.suitability import obstacles
from dffmpeg.model.workers import Worker, WorkerState

AFFINITY = 0.5
"""How much more a worker is worth that has all of a job's labels."""

SCARCE = 0.8
"""What a worker is worth to a job that does not ask for the resources which others need it for."""

IDLE_SHAPES = 64
"""Shapes without a pending job that are remembered: the next job is probably like the last."""

_SIZES = (1e9, 1e11)
"""Pixels: up to a minute or so of video, up to an hour, and beyond."""

_SPEED = (0.0, 0.25, 1.0)
"""How much a worker's speed counts for a job of each size: long ones go to fast workers."""


class Barrier(Enum):
    """What keeps a worker from taking a job that it could run."""

    STATE = "state"
    HOLD = "hold"
    HOURS = "hours"
    SLOTS = "slots"
    PROBATION = "probation"
    RESOURCE = "resource"
    KEPT = "kept"


def size_class(size: float | None) -> int:
    """Of a job, by how much work it is."""
    return 0 if size is None else sum(size >= limit for limit in _SIZES)


class Pool:
    """All workers."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._loads: dict[str, Load] = {}
        self._fastest = 0.0
        self._changes: list[tuple[float, str]] = []
        self._kept: list[Node] = []
        self.nodes: dict[str, Node] = {}
        self.fits: dict[Shape, Fit] = {}
        # Of the workers that take jobs: what is free, and all that they have.
        self.free = 0
        self.free_resources: dict[str, int] = {}
        self.total = 0
        self.total_resources: dict[str, int] = {}

    # Workers

    def set_worker(self, worker: Worker, now: float) -> bool:
        """Take a worker, or what became of it.

        Returns:
            Whether anything of it is new that matters here.
        """
        node = self.nodes.get(worker.worker_id)
        if node is not None and _same(node.worker, worker):
            node.worker = worker
            return False
        suits_anew = node is None or _offer(node.worker) != _offer(worker)
        hours_anew = node is None or node.worker.hours != worker.hours
        if node is None:
            node = self.nodes[worker.worker_id] = Node(worker, self._load(worker.worker_id))
        node.worker = worker
        node.at_most = 1 if self._policy.quarantine.on_probation(worker) else EVER
        if hours_anew:
            self._schedule(node, now)
        if suits_anew:
            for fit in self.fits.values():
                self._judge(fit, node)
        self._measure()
        self._recount(node)
        self._improved(node)
        return True

    def drop_worker(self, worker_id: str) -> None:
        """Forget a worker that is no more."""
        node = self.nodes.pop(worker_id, None)
        if node is None:
            return
        self._uncount(node)
        for fit in self.fits.values():
            fit.suits.pop(worker_id, None)
        self._measure()

    def _measure(self) -> None:
        fastest = max((node.worker.benchmark or 0.0 for node in self.nodes.values()), default=0.0)
        if fastest != self._fastest:
            self._fastest = fastest
            for fit in self.fits.values():
                fit.heaps.clear()

    def _schedule(self, node: Node, now: float) -> None:
        text = node.worker.hours
        try:
            node.schedule = None if text is None else hours.parse(text)
        except hours.BadHours:
            # Refused where it comes in; what is in the database all the same opens nothing.
            node.schedule, node.open = None, False
            return
        self._look_at_clock(node, now)

    def _look_at_clock(self, node: Node, now: float) -> None:
        node.open = node.schedule is None or node.schedule.open(now)
        change = None if node.schedule is None else node.schedule.next_change(now)
        if change is not None:
            heapq.heappush(self._changes, (change, node.worker.worker_id))

    def advance(self, now: float) -> None:
        """Open and close workers whose hours begin or end."""
        while self._changes and self._changes[0][0] <= now:
            _, worker_id = heapq.heappop(self._changes)
            node = self.nodes.get(worker_id)
            if node is not None and node.schedule is not None:
                self._look_at_clock(node, now)
                self._recount(node)
                self._improved(node)

    @property
    def next_change(self) -> float | None:
        """When the next worker opens or closes."""
        return self._changes[0][0] if self._changes else None

    # Loads

    def take(self, job_id: str, worker_id: str, charge: Mapping[str, int]) -> None:
        """A job is on a worker."""
        load = self._load(worker_id)
        load.jobs[job_id] = charge
        load.used += 1
        for name, number in charge.items():
            load.taken[name] = load.taken.get(name, 0) + number
        node = self.nodes.get(worker_id)
        if node is not None:
            self._recount(node)

    def give_back(self, job_id: str, worker_id: str) -> None:
        """A job is not on that worker any more."""
        load = self._load(worker_id)
        charge = load.jobs.pop(job_id)
        load.used -= 1
        for name, number in charge.items():
            load.taken[name] -= number
        node = self.nodes.get(worker_id)
        if node is not None:
            self._recount(node)
            self._improved(node)
        elif not load.jobs:
            del self._loads[worker_id]

    def _load(self, worker_id: str) -> Load:
        return self._loads.setdefault(worker_id, Load())

    def _recount(self, node: Node) -> None:
        """What there is and what is free in all, which reserved slots are compared with."""
        self._uncount(node)
        if not node.takes_jobs:
            return
        node.counted = (node.free, node.worker.slots)
        node.counted_resources = {
            name: (max(0, number - node.load.taken.get(name, 0)), number)
            for name, number in node.worker.resources.items()
        }
        self._add(node, 1)

    def _uncount(self, node: Node) -> None:
        self._add(node, -1)
        node.counted, node.counted_resources = (0, 0), {}

    def _add(self, node: Node, sign: int) -> None:
        free, total = node.counted
        self.free += sign * free
        self.total += sign * total
        for name, (free, total) in node.counted_resources.items():
            self.free_resources[name] = self.free_resources.get(name, 0) + sign * free
            self.total_resources[name] = self.total_resources.get(name, 0) + sign * total

    # Suitability, once for each shape and worker

    def fit(self, shape: Shape) -> Fit:
        """How a shape stands with the workers."""
        found = self.fits.get(shape)
        if found is None:
            found = self.fits[shape] = Fit(shape)
            for node in self.nodes.values():
                self._judge(found, node)
        return found

    def forget_shapes(self, idle: int = IDLE_SHAPES) -> None:
        """Keep so many shapes at most that no pending job has."""
        unused = [shape for shape, fit in self.fits.items() if not fit.pending]
        for shape in unused[: max(0, len(unused) - idle)]:
            del self.fits[shape]

    def _judge(self, fit: Fit, node: Node) -> None:
        worker = node.worker
        fit.suits.pop(worker.worker_id, None)
        if not obstacles(fit.shape.job, worker):
            fit.suits[worker.worker_id] = self._worth(fit, worker)
        if fit.heaps and worker.worker_id in fit.suits:
            fit.heaps.clear()

    def _worth(self, fit: Fit, worker: Worker) -> float:
        """What a worker is worth to jobs of the shape, apart from its load and its speed."""
        labels = fit.shape.labels
        shared = sum(label in worker.labels for label in labels) / len(labels) if labels else 0.0
        scarce = any(number and name not in fit.asked for name, number in worker.resources.items())
        return worker.weight * (1.0 + AFFINITY * shared) * (SCARCE if scarce else 1.0)

    # Choosing

    def barrier(self, node: Node, fit: Fit) -> Barrier | None:
        """What keeps the worker from taking a job of the shape now, apart from its not being suitable."""
        worker = node.worker
        if worker.state is not WorkerState.ONLINE:
            return Barrier.STATE
        if worker.hold is not None:
            return Barrier.HOLD
        if not node.open:
            return Barrier.HOURS
        charge = charged(fit.asked, worker) if fit.asked else fit.asked
        slots = min(worker.slots, node.at_most)
        lack = short_of(slots, worker.resources, node.load.used, node.load.taken, charge)
        if lack == "":
            return Barrier.SLOTS if node.load.used >= worker.slots else Barrier.PROBATION
        if lack is not None:
            return Barrier.RESOURCE
        if node.kept_for is not None and node.kept_for is not fit:
            return Barrier.KEPT
        return None

    def score(self, node: Node, fit: Fit, size: int) -> float:
        """What giving it a job of this shape and size is worth: the highest gets the job."""
        worker, taken = node.worker, node.load.taken
        share = 1.0 - node.load.used / worker.slots
        for name in fit.asked:
            total = worker.resources.get(name)
            if total:
                share = min(share, 1.0 - taken.get(name, 0) / total)
        speed = 0.5
        if worker.benchmark is not None and self._fastest:
            speed = worker.benchmark / self._fastest
        return fit.suits[worker.worker_id] * share * (1.0 + _SPEED[size] * speed)

    def choose(self, fit: Fit, size: int, avoid: str | None) -> Node | None:
        """The best worker that has room; None if there is none.

        Args:
            avoid: the one that is not taken.
        """
        heap = fit.heaps.get(size)
        if heap is None or len(heap) > 2 * len(fit.suits) + 64:
            heap = fit.heaps[size] = self._heap(fit, size)
        aside = None
        found = None
        while heap:
            stored, worker_id = heap[0]
            node = self.nodes.get(worker_id)
            if node is None or worker_id not in fit.suits or self.barrier(node, fit) is not None:
                heapq.heappop(heap)
                continue
            score = -self.score(node, fit, size)
            if score > stored:
                heapq.heapreplace(heap, (score, worker_id))
            elif worker_id == avoid:
                aside = heapq.heappop(heap)
            else:
                found = node
                break
        if aside is not None:
            heapq.heappush(heap, aside)
        return found

    def _heap(self, fit: Fit, size: int) -> list[tuple[float, str]]:
        nodes = (self.nodes[worker_id] for worker_id in fit.suits)
        heap = [
            (-self.score(node, fit, size), node.worker.worker_id)
            for node in nodes
            if self.barrier(node, fit) is None
        ]
        heapq.heapify(heap)
        return heap

    def _improved(self, node: Node) -> None:
        """It may have become better for some: it is looked at again."""
        if not node.free:
            return
        worker_id = node.worker.worker_id
        for fit in self.fits.values():
            if worker_id not in fit.suits:
                continue
            fit.full = False
            if fit.heaps and self.barrier(node, fit) is None:
                for size, heap in fit.heaps.items():
                    heapq.heappush(heap, (-self.score(node, fit, size), worker_id))

    def others(self, fit: Fit, worker_id: str) -> bool:
        """Whether another worker that takes jobs could run it, be it busy or not."""
        return any(
            other != worker_id and other in self.nodes and self.nodes[other].takes_jobs for other in fit.suits
        )

    # Keeping a worker for a job that asks for much

    def keep(self, fit: Fit) -> Node | None:
        """Leave what becomes free on one worker to a shape that finds no room: where it needs least more."""
        node = self.nodes.get(fit.kept) if fit.kept in fit.suits else None
        if node is None or not _can_be_kept(node):
            able = [node for node in map(self.nodes.__getitem__, fit.suits) if _can_be_kept(node)]
            node = min(able, key=lambda node: self._lacking(node, fit), default=None)
        if node is not None:
            fit.kept, node.kept_for = node.worker.worker_id, fit
            self._kept.append(node)
        return node

    def _lacking(self, node: Node, fit: Fit) -> float:
        charge = charged(fit.asked, node.worker)
        missing = sum(
            max(0, node.load.taken.get(name, 0) + number - node.worker.resources[name])
            for name, number in charge.items()
        )
        return missing + max(0, node.load.used + 1 - node.worker.slots)

    def let_go(self) -> None:
        """Nothing is kept for anybody."""
        kept, self._kept = self._kept, []
        for node in kept:
            node.kept_for = None
            if self.nodes.get(node.worker.worker_id) is node:
                self._improved(node)


def _can_be_kept(node: Node) -> bool:
    return node.takes_jobs and node.kept_for is None and node.at_most == EVER


def _offer(worker: Worker) -> tuple[object, ...]:
    """What suitability and worth depend on."""
    return (
        worker.binaries,
        worker.paths,
        worker.capabilities,
        worker.abilities,
        worker.labels,
        worker.resources,
        worker.substitutions,
        worker.mounts,
        worker.read_only,
        worker.weight,
    )


def _same(before: Worker, now: Worker) -> bool:
    """Whether nothing changed that decides anything."""
    return (
        _offer(before) == _offer(now)
        and (before.state, before.hold, before.hold_until, before.strikes, before.slots)
        == (now.state, now.hold, now.hold_until, now.strikes, now.slots)
        and (before.hours, before.benchmark) == (now.hours, now.benchmark)
    )
