"""What the worker's actors say to each other about attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dffmpeg.actors.runtime import Request
from dffmpeg.actors.worker.processes.actor import RunningProcess
from dffmpeg.model.progress import Progress
from dffmpeg.wire.control import Record
from dffmpeg.wire.frames import Frame
from dffmpeg.wire.workers import AttemptRef, JobRequest, RegisterReply

# To the attempts actor


@dataclass(frozen=True, slots=True)
class Assign:
    """The coordinator gave this worker an attempt; known ones are not taken twice."""

    request: JobRequest


@dataclass(frozen=True, slots=True)
class CancelAttempt:
    """End it gracefully, or with `kill` at once, and confirm `canceled`; one that is not held is confirmed
    too."""

    attempt: AttemptRef
    kill: bool = False


@dataclass(frozen=True, slots=True)
class StopAttempt:
    """It is not this worker's any more: kill it at once, report nothing."""

    attempt: AttemptRef


@dataclass(frozen=True, slots=True)
class StopJob:
    """Like `StopAttempt`, for whatever attempt of the job is held."""

    job_id: str


@dataclass(frozen=True, slots=True)
class StopAll:
    """The lease ran out: every attempt runs elsewhere, or will.

    Those whose program has ended are kept: if nobody else was given the job meanwhile, the report of that end
    still counts, and saves it from running twice; if somebody was, the report is refused.
    """


@dataclass(frozen=True, slots=True)
class Exited:
    """Its program has ended by itself; of its output there may be something that is not delivered yet."""

    attempt: AttemptRef


@dataclass(frozen=True, slots=True)
class Finishing:
    """Its process is gone and its end is about to be reported: from then on its slot is free.

    Told before the report, because the coordinator may fill the slot as soon as it has that.
    """

    attempt: AttemptRef


@dataclass(frozen=True, slots=True)
class GiveBack:
    """What runs there comes to nothing, through no fault of the command: kill it, and report it lost."""

    attempt: AttemptRef
    reason: str


class BeginRegistration(Request[list[AttemptRef]]):
    """Which attempts are held. No further one is accepted until `EndRegistration`.

    Otherwise the coordinator could see an attempt as running here that the
    registration, made before, does not list, and would take it for lost.
    """


@dataclass(frozen=True, slots=True)
class EndRegistration:
    """The registration was answered (what to run, cancel and stop), or failed (None)."""

    reply: RegisterReply | None


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Paths are lost to the attempts that use them: these are killed, and given back as lost.

    Attributes:
        reasons: by path variable, why, for people.
    """

    reasons: Mapping[str, str]


class Drain(Request[None]):
    """Take no further attempt; answered when none is held."""


AttemptsMessage = (
    Assign
    | CancelAttempt
    | StopAttempt
    | StopJob
    | StopAll
    | Exited
    | Finishing
    | GiveBack
    | Withdraw
    | EndRegistration
)

# To a job's process actor


@dataclass(frozen=True, slots=True)
class Cancel:
    """End the process: SIGINT, then SIGTERM, then SIGKILL; or with `kill` by SIGKILL at once."""

    kill: bool = False


@dataclass(frozen=True, slots=True)
class Control:
    """The caller does something to the program."""

    record: Record


@dataclass(frozen=True, slots=True)
class Delivered:
    """The coordinator has all outputs, or will have before it hears anything else; their lengths in bytes,
    by descriptor; how far the program is; and why what it wrote is not all there, if that is so."""

    lengths: Mapping[int, int]
    progress: Progress | None = None
    exceeded: str | None = None


@dataclass(frozen=True, slots=True)
class Exceeded:
    """The program came to a limit that only we see to; the text is a sentence about it."""

    reason: str


# To the actor of a job's lease


@dataclass(frozen=True, slots=True)
class Moved:
    """The program is farther than it was."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class Made:
    """The program has made output files: their paths in the `$Name` form, and their inodes."""

    begun: Mapping[bytes, int]


# To the actor of a job's streams


@dataclass(frozen=True, slots=True)
class Opened:
    """The process runs; its pipes may be read. They stay the process actor's."""

    process: RunningProcess


@dataclass(frozen=True, slots=True)
class Ended:
    """The process is gone: what its pipes hold now is the rest."""


@dataclass(frozen=True, slots=True)
class SendAgain:
    """The coordinator turned out to lack output that it once had."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """Frames came from the coordinator: pieces of inputs, acknowledgements of outputs."""

    frames: Sequence[Frame]
