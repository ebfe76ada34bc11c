"""Jobs, their attempts, and the only ways in which either may change.

A change is a value: `Transition`. `dffmpeg.model.transitions` decides, from a
job's row and what happened, what should become of it; the store carries that
out as one compare-and-set, which either wins or changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from dffmpeg.model.needs import Needs
from dffmpeg.model.progress import Progress
from dffmpeg.model.rules import Rules


class JobState(StrEnum):
    PENDING = "pending"
    ASSIGNED = "assigned"
    RUNNING = "running"
    CANCELING = "canceling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


S = JobState

TRANSITIONS: Mapping[JobState, frozenset[JobState]] = MappingProxyType(
    {
        S.PENDING: frozenset({S.ASSIGNED, S.CANCELED, S.FAILED}),
        S.ASSIGNED: frozenset({S.RUNNING, S.PENDING, S.FAILED, S.CANCELED, S.CANCELING}),
        S.RUNNING: frozenset({S.COMPLETED, S.FAILED, S.CANCELED, S.PENDING, S.CANCELING}),
        S.CANCELING: frozenset({S.CANCELED}),
        S.COMPLETED: frozenset(),
        S.FAILED: frozenset(),
        S.CANCELED: frozenset(),
    }
)
"""From each state, the states that may follow."""

TERMINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)
LIVE = frozenset({S.ASSIGNED, S.RUNNING, S.CANCELING})
"""A worker has it; on the coordinator an actor drives it."""


CLIENT_GONE = "its client has gone"
"""The reason of a cancelation for which nobody waits."""


class AttemptOutcome(StrEnum):
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    REJECTED = "rejected"
    NOT_ACCEPTED = "not_accepted"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job's row. Times are Unix seconds UTC, durations seconds.

    Attributes:
        arguments: in the `$Name` form; bytes, because file names are.
        paths: names of the path variables that the arguments use.
        client_paths: the client's directory for each name.
        launch: what the program inherits besides, in its form on the wire: only both ends, and
            whoever relays the streams, look into it.
        attempt: number of the current or last attempt; 0 before the first.
        signal: the signal that the process died of, if it did.
        reason: why the job failed or was canceled where that was not the process's doing.
        last_line: of a job that failed, the last line of its stderr, as `dffmpeg.model.last_words` has it.
        monitor: its client is attached; when the client has gone the job is canceled.
        not_before: when it may be tried, or tried again.
        excluded_worker: the worker that just lost it: another one goes first.
        priority: from -100 to 100; a higher one goes first.
        predecessors: jobs that have to complete before it may start.
        blocked: how many of those have not completed yet.
        idempotency_key: of the requester's making: a second submission with it is the same job.
        losses: attempts that were lost through no fault of the command, or failed and are tried again:
            what counts against `max_attempts`.
        ready_at: since when it waits for nothing but a worker: its submission, its start that was asked
            for, or the end of its last predecessor; None while it waits for one.
        ended_at: when it came to its end.
        expires_at: when the finished job is removed, if its own rules say.
        size: how much work it is, in pixels of input; None where nobody knows.
        resources: slots by resource that the current attempt takes on its worker, besides one of its own.
        substitutions: encoders that the current attempt's worker stands in for with its own.
        hindrance: why no known worker could ever run it.
        begun: output files that its attempts made where there were none, in the `$Name` form, and their
            inodes: the next attempt's worker removes them.
        retry_of: the finished job whose request this one repeats.
    """

    job_id: str
    requester_id: str
    binary_name: str
    arguments: tuple[bytes, ...]
    paths: tuple[str, ...] = ()
    working_directory: bytes | None = None
    client_paths: Mapping[str, bytes] = field(default_factory=dict)
    state: JobState = JobState.PENDING
    attempt: int = 0
    worker_id: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    monitor: bool = False
    heartbeat_interval: float = 5.0
    transport: str | None = None
    transport_metadata: Mapping[str, Any] = field(default_factory=dict)
    supported_transports: tuple[str, ...] = ()
    pending_timeout: float | None = None
    max_attempts: int = 3
    not_before: float | None = None
    created_at: float
    last_update: float
    worker_last_seen: float | None = None
    client_last_seen: float | None = None
    excluded_worker: str | None = None
    launch: bytes | None = None
    name: str | None = None
    labels: tuple[str, ...] = ()
    priority: int = 0
    needs: Needs = field(default_factory=Needs)
    rules: Rules = field(default_factory=Rules)
    predecessors: tuple[str, ...] = ()
    blocked: int = 0
    idempotency_key: str | None = None
    losses: int = 0
    ready_at: float | None = None
    ended_at: float | None = None
    expires_at: float | None = None
    size: float | None = None
    resources: Mapping[str, int] = field(default_factory=dict)
    substitutions: Mapping[str, str] = field(default_factory=dict)
    hindrance: str | None = None
    progress: Progress | None = None
    begun: Mapping[bytes, int] = field(default_factory=dict)
    retry_of: str | None = None
    last_line: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """What a worker really ran.

    Attributes:
        words: the program, an absolute path, and its arguments.
        directory: where it ran; None for an empty one of its own.
        in_view: it found its caller's directories under their own names: these are the caller's words.
    """

    words: tuple[bytes, ...]
    directory: bytes | None = None
    in_view: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One assignment of a job to a worker, and what came of it.

    Attributes:
        stderr_end: the last bytes that it wrote there.
        outputs: how long each of its outputs had become when it ended, bytes by descriptor: what is kept
            may be less. None as long as it lasts.
        substitutions: encoders and such that the worker's own stood in for.
        executed: the command as its worker had it; None where it did not say.
    """

    job_id: str
    attempt: int
    worker_id: str
    assigned_at: float
    started_at: float | None = None
    ended_at: float | None = None
    outcome: AttemptOutcome | None = None
    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    stderr_end: bytes | None = None
    outputs: Mapping[int, int] | None = None
    substitutions: Mapping[str, str] = field(default_factory=dict)
    executed: Executed | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """A condition on the worker that an assignment names: it is online and not held, and it has a free slot
    and what the job takes of its resources.

    Attributes:
        at_most: slots that may be in use then, if that is less than it has.
    """

    at_most: int


class TransitionError(Exception):
    """The table has no such edge: the caller decided on something impossible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change of one job, to be made if and only if the row still fits.

    Attributes:
        sources: the states of which the row must be in one.
        fence_attempt, fence_worker: what the row's attempt and worker must equal; None for no matter.
        now: when, Unix seconds.
        changes: the job's columns that take new values, besides `state`, `last_update` and `ended_at`.
        opens: the attempt that begins with it.
        starts: the attempt's process begins.
        closes: the outcome of the attempt that ends with it.
        room: what must hold of the worker besides; asked in the same transaction.
        results: columns of the attempt that starts or ends, besides those that it has in common with
            `changes`.
    """

    job_id: str
    sources: frozenset[JobState]
    target: JobState
    now: float
    fence_attempt: int | None = None
    fence_worker: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    opens: Attempt | None = None
    starts: bool = False
    closes: AttemptOutcome | None = None
    room: Room | None = None
    results: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = sorted(source for source in self.sources if self.target not in TRANSITIONS[source])
        if wrong or not self.sources:
            raise TransitionError(
                f"job {self.job_id}: no way from {', '.join(wrong) or 'nowhere'} to {self.target}"
            )

    @property
    def columns(self) -> dict[str, Any]:
        """All of the job's columns that take new values."""
        ended = {"ended_at": self.now} if self.target in TERMINAL else {}
        return {"state": self.target, "last_update": self.now, **ended, **self.changes}

    def made(self, job: Job) -> Job:
        """The row once the change was made to it."""
        return replace(job, **self.columns)
