"""What the scheduler remembers of a job: its row without what only the worker needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from dffmpeg.model.jobs import Job, JobState, Transition
from dffmpeg.model.needs import Needs


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides which workers suit a job, and how well: jobs of one shape are looked at as one.

    Attributes:
        labels: the job's own.
    """

    binary_name: str
    paths: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    needs: Needs = field(default_factory=Needs)

    def __hash__(self) -> int:
        needs = self.needs
        return hash((self.binary_name, self.paths, self.labels, needs.encoders, needs.filters, needs.labels))

    @property
    def job(self) -> Job:
        """A job of this shape, for what is asked of one."""
        return Job(
            job_id="",
            requester_id="",
            binary_name=self.binary_name,
            arguments=(),
            paths=self.paths,
            labels=self.labels,
            needs=self.needs,
            created_at=0.0,
            last_update=0.0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A job that is pending or live; the fields are those of `Job`."""

    job_id: str
    requester_id: str
    shape: Shape
    state: JobState = JobState.PENDING
    attempt: int = 0
    priority: int = 0
    created_at: float = 0.0
    last_update: float = 0.0
    not_before: float | None = None
    pending_timeout: float | None = None
    blocked: int = 0
    ready_at: float | None = None
    excluded_worker: str | None = None
    size: float | None = None
    worker_id: str | None = None
    resources: Mapping[str, int] = field(default_factory=dict)
    transport: str | None = None

    @classmethod
    def of(cls, job: Job) -> Entry:
        """What there is to remember of a job."""
        shape = Shape(job.binary_name, job.paths, job.labels, job.needs)
        return cls(shape=shape, **{name: getattr(job, name) for name in _COPIED})

    def after(self, transition: Transition) -> Entry:
        """The entry once the transition was made to its row."""
        return replace(self, **{k: v for k, v in transition.columns.items() if k in _COPIED})

    @property
    def deadline(self) -> float | None:
        """When its submitter does not want to wait any longer, Unix seconds."""
        if self.pending_timeout is None or self.blocked:
            # What waits for others does not wait for a worker yet.
            return None
        return (self.created_at if self.ready_at is None else self.ready_at) + self.pending_timeout


_COPIED = frozenset(one.name for one in fields(Entry)) - {"shape"}
"""What an entry has of its row as it is."""
