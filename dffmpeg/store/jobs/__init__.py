"""Jobs and their attempts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dffmpeg.model.briefs import JobBrief, ProgressBrief
from dffmpeg.model.jobs import Attempt, Job, JobState, Transition
from dffmpeg.model.needs import Needs
from dffmpeg.model.pages import JobPage, PageRequest
from dffmpeg.model.progress import Progress
from dffmpeg.model.scheduling.entries import Entry
from dffmpeg.store.hooks import HookRepository
from dffmpeg.store.janitor import JanitorRepository
from dffmpeg.store.journal import Journal


@dataclass(frozen=True, slots=True)
class Use:
    """That somebody's job had a slot. Times are Unix seconds; without an end it still has it."""

    requester_id: str
    priority: int
    begin: float
    end: float | None


@dataclass(frozen=True, slots=True)
class Doomed:
    """A pending job that will never begin.

    Attributes:
        predecessor_id: why: it ended, and did not complete.
        outcome: how it ended.
    """

    job: Job
    predecessor_id: str
    outcome: JobState


class JobRepository(ABC):
    """What the rest knows of how jobs are stored. Times are Unix seconds."""

    @property
    @abstractmethod
    def journal(self) -> Journal:
        """Where each change that matters for scheduling is told after its commit."""

    @property
    @abstractmethod
    def janitor(self) -> JanitorRepository: ...

    @property
    @abstractmethod
    def hooks(self) -> HookRepository: ...

    @abstractmethod
    async def page(self, request: PageRequest) -> JobPage:
        """A page of a list of jobs. What it costs does not depend on how many jobs there are."""

    @abstractmethod
    async def briefs(self, job_ids: Collection[str]) -> Sequence[JobBrief]:
        """These jobs in brief, those that there are, in no order."""

    @abstractmethod
    async def progress(self, job_ids: Collection[str]) -> Sequence[ProgressBrief]:
        """How far those of these jobs are that run and have said so, in no order; as it was written last."""

    @abstractmethod
    async def depth(self, states: Collection[JobState]) -> Mapping[tuple[JobState, int], int]:
        """How many jobs there are in each of these states with each priority."""

    @abstractmethod
    async def add(self, job: Job) -> Job:
        """Store a new job; it is durable afterwards.

        Its predecessors' states are looked at in the same transaction, and its hooks' first call is
        stored with it.

        Returns:
            The job as it was stored: blocked, or failed at once, where its predecessors are so; or
            the requester's earlier job with its idempotency key, and then nothing was changed.

        Raises:
            Duplicate: there is a job with this id.
            Unstorable: there is no such predecessor.
        """

    @abstractmethod
    async def submitted(self, job: Job) -> Job | None:
        """The job that was stored for the same submission before: with its idempotency key, or its id."""

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
        labels: Collection[str] = (),
        name: str | None = None,
    ) -> Sequence[Job]:
        """Newest first.

        Args:
            requester_id: only this requester's.
            since: only those that have not ended, or changed since then.
            states: only those in one of these.
            before_id: only those behind this one in the list.
            labels: only those that have each of them.
            name: only those of this name, in which a `*` stands for anything. Case does not matter,
                here as with labels.
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
    async def worker_of(self, job_id: str) -> str | None:
        """The worker of a live job; None of any other."""

    @abstractmethod
    async def live(self, worker_id: str | None = None) -> Sequence[Job]:
        """Jobs that a worker (or this worker) has: assigned, running or canceling."""

    @abstractmethod
    async def loads(self) -> Mapping[str, int]:
        """By worker, how many jobs it has: assigned, running or canceling."""

    @abstractmethod
    async def apply(self, transition: Transition) -> bool:
        """Make a change, if the row still fits, and its worker has room where that is asked for: one
        compare-and-set. Durable when True.

        In the same transaction the calls of the job's hooks are stored, and at the job's end its
        successors are counted down, or become `doomed`.
        """

    @abstractmethod
    async def doomed(self, limit: int) -> Sequence[Doomed]:
        """Pending jobs whose predecessors failed or were canceled; nobody has failed them yet."""

    @abstractmethod
    async def heal(self, now: float, limit: int) -> int:
        """Repair what jobs wait for, where that is not what is there; returns how many repairs it took."""

    @abstractmethod
    async def old(self, ended_before: float | None, now: float, limit: int) -> Sequence[str]:
        """Jobs that were kept for long enough, and whose hooks were called.

        Args:
            ended_before: for those without a retention of their own; None keeps them.
        """

    @abstractmethod
    async def outdated(self, job_ids: Collection[str], ended_before: float) -> Collection[str]:
        """Those of some jobs that ended before then and have no retention of their own, or are not there."""

    @abstractmethod
    async def delete(self, job_id: str) -> bool:
        """Forget a job that has ended, its attempts and its hooks' calls; returns whether there was one."""

    @abstractmethod
    async def attempts(self, job_id: str) -> Sequence[Attempt]:
        """All attempts of a job, the first one first."""

    @abstractmethod
    async def set_priority(self, job_id: str, priority: int, *, expected: int, now: float) -> bool:
        """Change a pending job's priority, if it still is `expected`: one compare-and-set."""

    @abstractmethod
    async def seen_by_client(self, job_id: str, now: float) -> None:
        """The client of the job was here."""

    @abstractmethod
    async def hindered(self) -> Mapping[str, str]:
        """By id, what hinders pending jobs."""

    @abstractmethod
    async def ease(self, job_id: str, needs: Needs) -> None:
        """The pending job needs no more than this now, and nothing hinders it."""

    @abstractmethod
    async def set_hindrance(self, job_id: str, hindrance: str | None) -> None:
        """Note why no known worker could ever run a job, if it is still pending."""

    @abstractmethod
    async def note_begun(self, job_id: str, attempt: int, begun: Mapping[bytes, int]) -> None:
        """The output files that the job's attempts have made, while this is the live job's current one."""

    @abstractmethod
    async def note_progress(self, job_id: str, attempt: int, progress: Progress) -> None:
        """How far the attempt is, while it is the live job's current one.

        A job without a size has that of its pictures from then on.
        """

    @abstractmethod
    async def counts(self, states: Collection[JobState] | None = None) -> Mapping[JobState, int]:
        """How many jobs there are in each state, or in each of these."""
