"""Jobs and their attempts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dffmpeg.model.jobs import Attempt, Job, JobState, Transition
from dffmpeg.store.journal import Journal


@dataclass(frozen=True, slots=True)
class Outlook:
    """See `JobRepository.outlook`.

    Attributes:
        loads: by worker, how many jobs it has: assigned, running or canceling.
        pending: jobs that may be tried now, oldest first.
        next_moment: when the next pending job that waits for a time may be tried, or gives up.
    """

    loads: Mapping[str, int]
    pending: Sequence[Job]
    next_moment: float | None


class JobRepository(ABC):
    """What the rest knows of how jobs are stored. Times are Unix seconds."""

    @property
    @abstractmethod
    def journal(self) -> Journal:
        """Where each change that matters for scheduling is told after its commit."""

    @abstractmethod
    async def add(self, job: Job) -> None:
        """Store a new job; it is durable afterwards. Raises `Duplicate`."""

    @abstractmethod
    async def get(self, job_id: str) -> Job | None: ...

    @abstractmethod
    async def list(
        self,
        *,
        requester_id: str | None,
        since: float | None,
        states: Collection[JobState] | None,
        limit: int,
        before_id: str | None,
    ) -> Sequence[Job]:
        """Newest first.

        Args:
            requester_id: only this requester's.
            since: only those that have not ended, or changed since then.
            states: only those in one of these.
            before_id: only those behind this one in the list.
        """

    @abstractmethod
    async def outlook(
        self, now: float, slots: Mapping[str, int], limit: int, *, after: Job | None = None
    ) -> Outlook:
        """What a scheduler has to know, in one question.

        Args:
            slots: by worker, how many jobs it takes at once. Without a free one among
                them no pending job is looked at.
            limit: pending jobs at most.
            after: only those behind this one.
        """

    @abstractmethod
    async def expired(self, now: float) -> Sequence[Job]:
        """Pending jobs whose submitter does not want to wait any longer."""

    @abstractmethod
    async def live(self, worker_id: str | None = None) -> Sequence[Job]:
        """Jobs that a worker (or this worker) has: assigned, running or canceling."""

    @abstractmethod
    async def loads(self) -> Mapping[str, int]:
        """By worker, how many jobs it has: assigned, running or canceling."""

    @abstractmethod
    async def apply(self, transition: Transition) -> bool:
        """Make a change, if the row still fits: one compare-and-set. Durable when True."""

    @abstractmethod
    async def attempts(self, job_id: str) -> Sequence[Attempt]:
        """All attempts of a job, the first one first."""

    @abstractmethod
    async def set_priority(self, job_id: str, priority: int, *, expected: int, now: float) -> bool:
        """Change a pending job's priority, if it still is `expected`: one compare-and-set."""

    @abstractmethod
    async def delete(self, job_id: str) -> bool:
        """Forget a job that has ended, and its attempts; returns whether there was one that has."""

    @abstractmethod
    async def seen_by_client(self, job_id: str, now: float) -> None:
        """The client of the job was here."""

    @abstractmethod
    async def counts(self) -> Mapping[JobState, int]:
        """How many jobs there are in each state."""
