"""What a job's actor is told and asked.

An `attempt` of None comes from an older worker: the current one is meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dffmpeg.actors.runtime import Request
from dffmpeg.model.identities import Identity
from dffmpeg.model.jobs import Job
from dffmpeg.model.streams import Stream
from dffmpeg.wire.frames import Frame
from dffmpeg.wire.jobs import FinishReport, OutputReply, Position


@dataclass(frozen=True, slots=True)
class Accept(Request[Job]):
    worker_id: str
    attempt: int | None


@dataclass(frozen=True, slots=True)
class Reject(Request[Job]):
    worker_id: str
    attempt: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class WorkerBeat(Request[Job]):
    worker_id: str
    attempt: int | None


@dataclass(frozen=True, slots=True)
class Finish(Request[Job]):
    worker_id: str
    report: FinishReport


@dataclass(frozen=True, slots=True)
class Cancel(Request[Job]):
    who: Identity | None
    reason: str


@dataclass(frozen=True, slots=True)
class Output(Request[OutputReply]):
    worker_id: str
    frames: Sequence[Frame]


@dataclass(frozen=True, slots=True)
class OfferLines(Request[None]):
    """Text for the end of each stream, from a worker that knows no offsets."""

    worker_id: str
    texts: Mapping[Stream, bytes]


@dataclass(frozen=True, slots=True)
class Follow(Request[list[Frame]]):
    who: Identity
    cursor: Position
    wait: float


@dataclass(frozen=True, slots=True)
class Acknowledge(Request[None]):
    who: Identity
    position: Position


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker is gone, or does not run the attempt."""

    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class Due:
    """A timer: `what` names the check."""

    what: str


@dataclass(frozen=True, slots=True)
class FollowDue:
    """A follower has waited long enough."""

    number: int


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
    | OfferLines
    | Follow
    | Acknowledge
    | Lost
    | Due
    | FollowDue
    | OutputDue
)
