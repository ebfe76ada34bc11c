"""What the pool consists of: workers with their load, and how each shape of job stands with them."""

from __future__ import annotations

from collections.abc import Mapping

from dffmpeg.model.scheduling import hours
from dffmpeg.model.scheduling.entries import Shape
from dffmpeg.model.workers import Worker, WorkerState

EVER = 1 << 30


class Load:
    """What runs on a worker."""

    __slots__ = ("jobs", "taken", "used")

    def __init__(self) -> None:
        self.jobs: dict[str, Mapping[str, int]] = {}
        self.used = 0
        self.taken: dict[str, int] = {}


class Node:
    """A worker, its load, and whether it takes jobs now."""

    __slots__ = ("at_most", "counted", "counted_resources", "kept_for", "load", "open", "schedule", "worker")

    def __init__(self, worker: Worker, load: Load) -> None:
        self.worker = worker
        self.load = load
        self.at_most = EVER
        self.open = True
        self.schedule: hours.Hours | None = None
        self.kept_for: Fit | None = None
        # What is free here and what there is, as the pool has added it to its sums.
        self.counted = (0, 0)
        self.counted_resources: dict[str, tuple[int, int]] = {}

    @property
    def takes_jobs(self) -> bool:
        worker = self.worker
        return worker.state is WorkerState.ONLINE and worker.hold is None and self.open

    @property
    def free(self) -> int:
        return max(0, min(self.worker.slots, self.at_most) - self.load.used) if self.takes_jobs else 0


class Fit:
    """How a shape stands with the workers.

    Attributes:
        asked: slots by resource.
        suits: the workers that could run it, and what each is worth by itself.
        full: none of them has room, as of the last look.
        passed_since: when first a job of it found no room although a slot was free.
        kept: the worker that is kept for it since.
        pending: jobs of it that are pending.
        waiting: those of them that could be tried now.
    """

    __slots__ = ("asked", "full", "heaps", "kept", "passed_since", "pending", "shape", "suits", "waiting")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.asked = {name: number for name, number in shape.needs.resources.items() if number}
        self.suits: dict[str, float] = {}
        self.heaps: dict[int, list[tuple[float, str]]] = {}
        self.full = False
        self.passed_since: float | None = None
        self.kept: str | None = None
        self.pending = 0
        self.waiting = 0

    @property
    def greedy(self) -> bool:
        """Whether it asks for more than others leave free by chance."""
        return sum(self.asked.values()) > 1
