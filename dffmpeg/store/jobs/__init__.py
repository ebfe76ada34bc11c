"""Jobs and their attempts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dffmpeg.model.jobs import Attempt, Job, JobState, Transition
from dffmpeg.model.progress import Progress
from dffmpeg.model.scheduling.entries import Entry
from dffmpeg.store.journal import Journal


@dataclass(frozen=True, slots=True)
class Use:
    """That somebody's job had a slot. Times are Unix seconds; without an end it still has it."""

    requester_id: str
    priority: int
    begin: float
    end: float | None


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
    async def queue(self, limit: int, *, after: Entry | None = None) -> Sequence[Entry]:
        """Pending jobs, oldest first: at most `limit`, and only those behind one."""

    @abstractmethod
    async def live_entries(self, worker_id: str | None = None) -> Sequence[Entry]:
        """`live`, as the scheduler remembers them."""

    @abstractmethod
    async def entries(self, job_ids: Collection[str]) -> Sequence[Entry]:
        """These jobs, as far as they exist, in whichever state."""

    @abstractmethod
    async def uses(self, since: float, limit: int) -> Sequence[Use]:
        """Who had slots since then, and who has: the latest attempts, at most so many."""

    @abstractmethod
    async def live(self, worker_id: str | None = None) -> Sequence[Job]:
        """Jobs that a worker (or this worker) has: assigned, running or canceling."""

    @abstractmethod
    async def loads(self) -> Mapping[str, int]:
        """By worker, how many jobs it has: assigned, running or canceling."""

    @abstractmethod
    async def apply(self, transition: Transition) -> bool:
        """Make a change, if the row still fits, and its worker has room where that is asked for: one
        compare-and-set. Durable when True."""

    @abstractmethod
    async def attempts(self, job_id: str) -> Sequence[Attempt]:
        """All attempts of a job, the first one first."""

    @abstractmethod
    async def seen_by_client(self, job_id: str, now: float) -> None:
        """The client of the job was here."""

    @abstractmethod
    async def note_progress(self, job_id: str, attempt: int, progress: Progress) -> None:
        """How far the attempt is, while it is the live job's current one."""

    @abstractmethod
    async def counts(self, states: Collection[JobState] | None = None) -> Mapping[JobState, int]:
        """How many jobs there are in each state, or in each of these."""
