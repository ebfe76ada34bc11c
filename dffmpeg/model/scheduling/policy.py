"""What the cluster's owner decided about order, limits and quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dffmpeg.model.scheduling.quarantine import Quarantine


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityClass:
    """Jobs from this priority up to the next class's.

    Attributes:
        reserved: slots of the whole cluster that jobs of lower priority leave free for it.
        resources: the same, by resource.
    """

    name: str
    priority: int
    reserved: int = 0
    resources: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How many jobs may run, and how many may wait; None is any number."""

    running: int | None = None
    queued: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Durations are seconds.

    Attributes:
        aging: a priority that was passed over gains a point in so long.
        half_life: after which a requester's earlier use counts half.
        patience: after which a worker is kept free for a job that asks for several slots of resources.
        avoid: for so long after it failed a job, a worker gets it again only if no other could.
        requester: of each requester that `requesters` does not name.
        labels: of all jobs with a label.
        queued: of all jobs.
    """

    classes: tuple[PriorityClass, ...] = (
        PriorityClass(name="low", priority=-50),
        PriorityClass(name="normal", priority=0),
        PriorityClass(name="high", priority=50),
    )
    aging: float = 60.0
    half_life: float = 600.0
    patience: float = 60.0
    avoid: float = 60.0
    requester: Limit = Limit()
    requesters: Mapping[str, Limit] = field(default_factory=dict)
    labels: Mapping[str, Limit] = field(default_factory=dict)
    queued: int | None = 200_000
    quarantine: Quarantine = field(default_factory=Quarantine)

    @property
    def reserving(self) -> tuple[PriorityClass, ...]:
        """The classes for which something is reserved."""
        return tuple(known for known in self.classes if known.reserved or known.resources)

    def class_of(self, priority: int) -> PriorityClass | None:
        """The class of jobs of this priority; None below the lowest one."""
        below = [known for known in self.classes if known.priority <= priority]
        return max(below, key=lambda known: known.priority, default=None)

    def limit(self, requester_id: str) -> Limit:
        """Of one requester."""
        return self.requesters.get(requester_id, self.requester)
