"""What a job's actor is told and asked.

An `attempt` of None comes from an older worker: the current one is meant.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from dffmpeg.actors.coordinator.job.inputs import Reached
from dffmpeg.actors.runtime import Request
from dffmpeg.model.identities import Identity
from dffmpeg.model.jobs import Executed, Job
from dffmpeg.model.progress import Progress
from dffmpeg.model.streams import Stream
from dffmpeg.wire.frames import Frame
from dffmpeg.wire.jobs import FinishReport, OutputReply, Position


@dataclass(frozen=True, slots=True)
class Accept(Request[Job]):
    """`substitutions`: encoders that the worker's own stand in for. `executed`: what it will run."""

    worker_id: str
    attempt: int | None
    substitutions: Mapping[str, str] = field(default_factory=dict)
    executed: Executed | None = None


@dataclass(frozen=True, slots=True)
class Reject(Request[Job]):
    worker_id: str
    attempt: int | None
    reason: str
    unfit: bool = False
    """It cannot run the job as it is."""
    fault: bool = False
    """It is the worker's own, and counts against it."""


@dataclass(frozen=True, slots=True)
class WorkerBeat(Request[Job]):
    """`begun`: output files that the program has made, and their inodes."""

    worker_id: str
    attempt: int | None
    progress: Progress | None = None
    begun: Mapping[bytes, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finish(Request[Job]):
    worker_id: str
    report: FinishReport


@dataclass(frozen=True, slots=True)
class Cancel(Request[Job]):
    who: Identity | None
    reason: str


# The streams, from the worker's side


@dataclass(frozen=True, slots=True)
class Output(Request[OutputReply]):
    """Pieces of the outputs, by a request: the answer is held while the owner's window is full."""

    worker_id: str
    frames: Sequence[Frame]


@dataclass(frozen=True, slots=True)
class Streamed(Request[None]):
    """Pieces of the outputs, and acknowledgements of inputs, from a worker that attends."""

    worker_id: str
    frames: Sequence[Frame]


@dataclass(frozen=True, slots=True)
class Attendance:
    """What an attending worker was sent and told so far, and what it said.

    Attributes:
        generation: of the `News` that it had last; None before the first.
        told: by output, what was acknowledged to it; None for one that hears of its outputs otherwise.
        sent: by input, what it was sent.
        written: by input, what it said that its program was given.
    """

    generation: int | None = None
    told: Mapping[int, Reached] | None = field(default_factory=dict)
    sent: Mapping[int, Reached] = field(default_factory=dict)
    written: Mapping[int, Reached] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class News:
    """For an attending worker: acknowledgements of outputs, and pieces of inputs.

    Attributes:
        generation: another number than before says that acknowledgements may have been forgotten.
        over: the attempt is, so nothing will follow.
    """

    generation: int
    frames: Sequence[Frame]
    over: bool = False


ASKING = -1
"""The `connection` of a worker that has none, and asks by requests."""


@dataclass(frozen=True, slots=True)
class Attend(Request[News]):
    """Wait for what the worker has not got yet. One connection waits once at a time: who asks anew has the
    request before answered, without news.

    Attributes:
        wait: seconds; None for as long as it takes.
    """

    worker_id: str
    attempt: int
    connection: int
    seen: Attendance
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class OfferLines(Request[None]):
    """Text for the end of each stream, from a worker that knows no offsets."""

    worker_id: str
    texts: Mapping[Stream, bytes]


# The streams, from the requester's side


@dataclass(frozen=True, slots=True)
class Follow(Request[list[Frame]]):
    """Wait for what is newer than the cursor.

    Attributes:
        wait: seconds; None for as long as it takes.
        connection: of a follower that stays; it waits once at a time. None for a single request.
        heard: what an owner was told of its inputs in the cursor's attempt; None for one who is not.
        outputs: only these, by descriptor; None is all.
    """

    who: Identity
    cursor: Position
    wait: float | None
    connection: int | None = None
    heard: Mapping[int, Reached] | None = None
    outputs: Collection[int] | None = None


@dataclass(frozen=True, slots=True)
class Input(Request[list[Frame]]):
    """Pieces of the inputs, from the owner; answered by acknowledgements of all of them."""

    who: Identity
    frames: Sequence[Frame]


@dataclass(frozen=True, slots=True)
class Acknowledge(Request[None]):
    who: Identity
    position: Position


@dataclass(frozen=True, slots=True)
class Left:
    """A connection that followed or attended has ended.

    Attributes:
        gone: it was closed from its other end.
    """

    connection: int
    gone: bool


# What nobody says


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker is gone, or does not run the attempt."""

    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody else has changed the job's row, or its worker has another home."""


@dataclass(frozen=True, slots=True)
class Due:
    """A timer: `what` names the check."""

    what: str


@dataclass(frozen=True, slots=True)
class Over:
    """The job has ended, and this is the last of what waited for it to be said."""


@dataclass(frozen=True, slots=True)
class WaitDue:
    """Somebody has waited long enough for news."""

    connection: int


@dataclass(frozen=True, slots=True)
class OutputDue:
    """A worker's output request was held long enough."""

    number: int


JobMessage = (
    Accept
    | Reject
    | WorkerBeat
    | Finish
    | Cancel
    | Output
    | Streamed
    | Attend
    | OfferLines
    | Follow
    | Input
    | Acknowledge
    | Left
    | Lost
    | Look
    | Due
    | Over
    | WaitDue
    | OutputDue
)
