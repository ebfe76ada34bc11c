"""How many jobs wait and run, of whom and of what kind, and what the limits say to that. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from dffmpeg.model.scheduling.entries import Entry
from dffmpeg.model.scheduling.policy import Policy, PriorityClass
from dffmpeg.model.scheduling.pool import Pool
from dffmpeg.model.scheduling.reservations import Shortfall, granted, shortfalls


class Reach(Enum):
    """For which jobs besides the one that was looked at the same reason holds."""

    LANE = "its lane"
    SHAPE = "its shape"
    REQUESTER = "its requester's"
    LEVEL = "its priority"


@dataclass(frozen=True, slots=True)
class Wait:
    """What keeps a job from every worker: a short clause, and whom else it keeps."""

    text: str
    reach: Reach = Reach.LANE


class Ledger:
    """Counts of pending (queued) and live (running) jobs.

    Args:
        pool: asked for what is free, which reserved slots are compared with.
    """

    def __init__(self, policy: Policy, pool: Pool) -> None:
        self._policy = policy
        self._pool = pool
        self.pending = 0
        self.queued: Counter[str] = Counter()
        self.running: Counter[str] = Counter()
        self.queued_by_label: Counter[str] = Counter()
        self.running_by_label: Counter[str] = Counter()
        # By class, and by class and resource: slots that its jobs have.
        self._held: Counter[tuple[str, str]] = Counter()

    def busy(self, requester: str) -> bool:
        """Whether it has any job here."""
        return bool(self.queued[requester] or self.running[requester])

    def queue(self, entry: Entry, by: int) -> None:
        """A job joins the queue (1), or leaves it (-1)."""
        self.pending += by
        _add(self.queued, entry.requester_id, by)
        for label in entry.shape.labels:
            _add(self.queued_by_label, label, by)

    def run(self, entry: Entry, by: int) -> None:
        """A job begins to run (1), or ends (-1)."""
        _add(self.running, entry.requester_id, by)
        for label in entry.shape.labels:
            _add(self.running_by_label, label, by)
        known = self._policy.class_of(entry.priority)
        if known is not None:
            self._held[known.name, ""] += by
            for name, number in entry.resources.items():
                self._held[known.name, name] += by * number

    def gates(self, entry: Entry) -> Iterator[Wait]:
        """What keeps a job of this kind from every worker."""
        requester = entry.requester_id
        limit = self._policy.limit(requester).running
        if limit is not None and self.running[requester] >= limit:
            text = f"{requester} runs {self.running[requester]} of at most {limit} jobs"
            yield Wait(text, Reach.REQUESTER)
        for label in entry.shape.labels:
            known = self._policy.labels.get(label)
            most = None if known is None else known.running
            if most is not None and self.running_by_label[label] >= most:
                running = self.running_by_label[label]
                yield Wait(f"{running} of at most {most} jobs with the label {label} run", Reach.SHAPE)
        yield from self._reservations(entry)

    def _reservations(self, entry: Entry) -> Iterator[Wait]:
        above = [known for known in self._policy.reserving if known.priority > entry.priority]
        if not above:
            return
        free = self._pool.free
        kept = self._kept(above, granted(self._policy, self._pool.total), "")
        if kept and free - 1 < kept:
            yield Wait(f"{free} slots are free, and {kept} are kept for higher priorities", Reach.LEVEL)
        for name, number in entry.shape.needs.resources.items():
            free = self._pool.free_resources.get(name, 0)
            most = granted(self._policy, self._pool.total_resources.get(name, 0), name)
            kept = self._kept(above, most, name)
            if kept and number and free - number < kept:
                text = f"{free} slots of {name} are free, and {kept} are kept for higher priorities"
                yield Wait(text)

    def _kept(self, above: Iterable[PriorityClass], most: Mapping[str, int], resource: str) -> int:
        """What has to stay free for these classes, of what they do not have already."""
        return sum(max(0, most[known.name] - self._held[known.name, resource]) for known in above)

    def shortfalls(self) -> list[Shortfall]:
        """Where more is reserved than the workers have that take jobs."""
        return list(shortfalls(self._policy, self._pool.total, self._pool.total_resources))

    def full(self, requester: str, labels: Iterable[str], *, coming: Ledger | None = None) -> str | None:
        """Why no further job of this requester with these labels may be queued; None if it may.

        Args:
            coming: what is about to be queued besides.
        """
        limit = self._policy.limit(requester).queued
        queued = self.queued[requester] + (coming.queued[requester] if coming else 0)
        if limit is not None and queued >= limit:
            return f"{requester} has {queued} jobs in the queue, as many as it may have"
        for label in labels:
            known = self._policy.labels.get(label)
            most = None if known is None else known.queued
            queued = self.queued_by_label[label] + (coming.queued_by_label[label] if coming else 0)
            if most is not None and queued >= most:
                return f"{queued} jobs with the label {label} are in the queue, as many as there may be"
        pending = self.pending + (coming.pending if coming else 0)
        if self._policy.queued is not None and pending >= self._policy.queued:
            return f"{pending} jobs are in the queue, as many as it takes"
        return None


def _add(counter: Counter[str], key: str, by: int) -> None:
    counter[key] += by
    if not counter[key]:
        del counter[key]
