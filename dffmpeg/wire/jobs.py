"""Bodies of the job routes. Field names are those that existing clients speak."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from dffmpeg.model.needs import Needs
from dffmpeg.model.progress import Progress
from dffmpeg.model.rules import Rules
from dffmpeg.wire.bytestring import ByteString
from dffmpeg.wire.trace import Traceparent

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")]
"""A name that people choose: a binary's, a path variable's, an identity's."""

Seconds = Annotated[float, msgspec.Meta(gt=0, le=31_536_000)]
SHORTEST_LEASE = 1.0
"""Seconds: a worker shows life three times as often, and may be late by something."""

Attempt = Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]
ExitCode = Annotated[int, msgspec.Meta(ge=-(1 << 31), lt=1 << 32)]
"""Older workers report a signal as its negative number; other systems have 32 bits."""

FailureCode = Annotated[int, msgspec.Meta(ge=1, lt=1 << 32)]
"""An exit code that is a failure."""

Signal = Annotated[int, msgspec.Meta(ge=1, le=255)]
Reason = Annotated[str, msgspec.Meta(max_length=2000)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
JobId = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"\A[^\x00]+\Z")]
Priority = Annotated[int, msgspec.Meta(ge=-100, le=100)]
Url = Annotated[str, msgspec.Meta(max_length=2000, pattern=r"^https?://")]


MOST_FALLBACKS = 1_000_000
"""As many runs of a local program as one submission may tell of."""

DescriptorNumber = Annotated[int, msgspec.Meta(ge=0, le=1023)]
InputNumber = Annotated[int, msgspec.Meta(ge=0, le=65535)]


DEVICES = frozenset({b"/dev/full"})
"""What a descriptor of kind `file` may be besides files in mapped directories: the same on every machine."""


class Descriptor(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What one of the program's file descriptors is, as its caller has it.

    Attributes:
        kind: `closed`: not open. `null`: /dev/null. `pipe`: bytes travel, in `direction` as the program
            sees it. `terminal`: a pseudo-terminal at the worker; all descriptors of this kind share
            one. `same`: another number for the open file of the lower descriptor `of`. `file`: the file
            `path` itself, opened at the worker in `direction`, standing at `offset`.
        direction: `in`: the program reads it; `out`: it writes it.
        path: in the `$Name` form.
    """

    number: DescriptorNumber
    kind: Literal["closed", "null", "pipe", "terminal", "same", "file"]
    direction: Literal["in", "out"] = "in"
    of: DescriptorNumber | None = None
    path: ByteString | None = None
    offset: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)] = 0
    append: bool = False


class Terminal(msgspec.Struct, kw_only=True):
    """A terminal's size in characters."""

    rows: Annotated[int, msgspec.Meta(ge=0, le=65535)]
    columns: Annotated[int, msgspec.Meta(ge=0, le=65535)]


class Credentials(msgspec.Struct, kw_only=True):
    """Who the caller is on its machine, credentials(7). Workers may run the program as the same."""

    uid: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]
    gid: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]
    groups: Annotated[
        list[Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]], msgspec.Meta(max_length=1024)
    ] = []


class Launch(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a program inherits from its caller besides its arguments and its working directory.

    Attributes:
        environment: variables to set; what else it gets is the worker's own environment without them.
        umask: None is the worker's.
        ignored_signals: numbers of the signals that are ignored when the program starts.
        descriptors: empty means 0 is /dev/null, 1 and 2 are pipes. Numbers that are not listed are closed.
        terminal: the size, where a descriptor is a terminal.
    """

    environment: dict[str, ByteString] = {}
    umask: Annotated[int, msgspec.Meta(ge=0, le=0o777)] | None = None
    ignored_signals: Annotated[list[Signal], msgspec.Meta(max_length=64)] = []
    descriptors: Annotated[list[Descriptor], msgspec.Meta(max_length=64)] = []
    terminal: Terminal | None = None
    credentials: Credentials | None = None


class SubmitRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """POST /jobs/submit, and the first message of a run.

    `arguments` and `working_directory` are in the `$Name` form; `client_paths` says which of the
    client's directories each name stands for: all of the client's, while `paths` are those
    that the job cannot do without. `job_id`, a ULID of the submitter's making, makes repeating a
    submission harmless. `local_fallbacks`: how often the submitter ran a local
    program in place of a job since it told of that last; counted where this makes a job, and no part of it.
    """

    binary_name: Name
    job_id: Annotated[str, msgspec.Meta(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")] | None = None
    launch: Launch | None = None
    arguments: list[ByteString] = []
    paths: list[Name] = []
    working_directory: ByteString | None = None
    client_paths: dict[str, ByteString] = {}
    supported_transports: list[str] = []
    monitor: bool = False
    heartbeat_interval: Seconds | None = None
    pending_timeout: Seconds | None = None
    max_attempts: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    name: Text | None = None
    labels: Annotated[list[Name], msgspec.Meta(max_length=64)] = []
    priority: Priority | Name | None = None
    require: Annotated[list[Text], msgspec.Meta(max_length=64)] = []
    after: Annotated[list[JobId], msgspec.Meta(max_length=256)] = []
    idempotency_key: (
        Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"\A[^\x00]+\Z")] | None
    ) = None
    start_at: Annotated[float, msgspec.Meta(ge=0, le=1e11)] | None = None
    size: Annotated[float, msgspec.Meta(ge=0, le=1e18)] | None = None
    assignment_timeout: Seconds | None = None
    lease: Annotated[float, msgspec.Meta(ge=SHORTEST_LEASE, le=31_536_000)] | None = None
    run_timeout: Seconds | None = None
    stall_timeout: Seconds | None = None
    retry_exit_codes: Annotated[list[FailureCode], msgspec.Meta(max_length=256)] = []
    retry_stderr: Annotated[list[Text], msgspec.Meta(max_length=16)] = []
    impossible: Literal["wait", "fail", "run"] = "wait"
    retention: Seconds | None = None
    hooks: Annotated[list[Url], msgspec.Meta(max_length=8)] = []
    traceparent: Traceparent | None = None
    local_fallbacks: Annotated[int, msgspec.Meta(ge=0, le=MOST_FALLBACKS)] = 0


class JobRecord(msgspec.Struct, kw_only=True):
    """A job as every answer shows it. Times are ISO 8601 UTC."""

    job_id: str
    requester_id: str
    binary_name: str
    arguments: list[ByteString]
    paths: list[str]
    working_directory: ByteString | None
    client_paths: dict[str, ByteString] = {}
    status: str
    attempt: int
    max_attempts: int
    exit_code: int | None
    signal: int | None = None
    reason: str | None = None
    worker_id: str | None
    created_at: str
    last_update: str
    worker_last_seen: str | None
    client_last_seen: str | None
    heartbeat_interval: float
    pending_timeout: float | None = None
    monitor: bool
    transport: str | None
    transport_metadata: dict[str, Any]
    name: str | None = None
    labels: list[str] = []
    priority: int = 0
    needs: Needs = Needs()
    rules: Rules = Rules()
    after: list[str] = []
    blocked: int = 0
    idempotency_key: str | None = None
    losses: int = 0
    not_before: str | None = None
    ended_at: str | None = None
    size: float | None = None
    resources: dict[str, int] = {}
    substitutions: dict[str, str] = {}
    hindrance: str | None = None
    progress: Progress | None = None
    retry_of: str | None = None
    last_line: str | None = None

    @property
    def finished(self) -> bool:
        """Whether the status is final."""
        return self.status in ("completed", "failed", "canceled")


class Begun(msgspec.Struct, kw_only=True, frozen=True):
    """An output file that an attempt made: its path in the `$Name` form, and its inode, below 2**64."""

    path: ByteString
    inode: Annotated[int, msgspec.Meta(ge=0)]


class ExecutedCommand(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """What a worker really runs, or ran.

    Attributes:
        arguments: the program, an absolute path, and what follows it.
        directory: where it runs; None for an empty one of its own.
        in_view: it finds its caller's directories under their own names: these are the caller's words.
    """

    arguments: Annotated[list[ByteString], msgspec.Meta(min_length=1)]
    directory: ByteString | None = None
    in_view: bool = False


class AttemptReport(msgspec.Struct, kw_only=True, omit_defaults=True):
    """POST /jobs/{id}/accept, /reject, /worker_heartbeat.

    An older worker sends no body: its report is taken for the current attempt
    if that attempt is its own. `substitutions`, to accept: encoders that its own stand in for. `executed`, to
    accept: the command that it is going to run, unless that is very long.
    `begun`, to a heartbeat: output files that the program has made where there were none.
    `progress`, to a heartbeat: how far it is. `fault`, with a rejection: the worker's own, and not the job's;
    `unfit`: it cannot run the job as it is, which may be the job's.
    """

    attempt: Attempt | None = None
    reason: Reason | None = None
    substitutions: Annotated[dict[Name, Name], msgspec.Meta(max_length=64)] = {}
    begun: Annotated[list[Begun], msgspec.Meta(max_length=64)] = []
    progress: Progress | None = None
    fault: bool = False
    unfit: bool = False
    executed: ExecutedCommand | None = None


class AttemptRecord(msgspec.Struct, kw_only=True):
    """One attempt of a job, as GET /jobs/{id}/attempts shows it. Times are ISO 8601 UTC.

    Attributes:
        stderr_end: the last bytes that it wrote there, 4 KiB at most.
        outputs: how long each of its outputs was when it ended, bytes by descriptor; less may be kept.
        executed: the command as its worker had it; null where it did not say.
    """

    attempt: int
    worker_id: str
    assigned_at: str
    started_at: str | None = None
    ended_at: str | None = None
    outcome: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    stderr_end: ByteString | None = None
    outputs: dict[int, int] | None = None
    substitutions: dict[str, str] = {}
    executed: ExecutedCommand | None = None


class FinishReport(msgspec.Struct, kw_only=True, omit_defaults=True):
    """POST /jobs/{id}/status: how an attempt ended.

    `stdout`, `stderr` and `others` (by descriptor) are the outputs' lengths in bytes: the coordinator
    refuses (409) while it has received less, and the worker sends the rest first.
    """

    status: Literal["completed", "failed", "canceled"]
    exit_code: ExitCode | None = None
    signal: Signal | None = None
    attempt: Attempt | None = None
    reason: Reason | None = None
    stdout: Annotated[int, msgspec.Meta(ge=0)] | None = None
    stderr: Annotated[int, msgspec.Meta(ge=0)] | None = None
    others: dict[DescriptorNumber, Annotated[int, msgspec.Meta(ge=0)]] = {}
    progress: Progress | None = None


class StreamAck(msgspec.Struct, kw_only=True):
    """Up to where the coordinator has a stream (`received`), and up to where the
    sender may forget it (`acked`, never above `received`). Bytes."""

    received: int
    acked: int


class OutputReply(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Answer to POST /jobs/{id}/output (body: frames)."""

    stdout: StreamAck
    stderr: StreamAck
    others: dict[DescriptorNumber, StreamAck] = {}


class InputPosition(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """How far one input is, as whoever says it knows.

    Attributes:
        received: everything before has arrived: at the worker where it says so, at the coordinator where
            the owner repeats what it was told.
        eof: so has the end.
        given: the program was given what is before.
        ended: it was given the end too, or does not take any more.
    """

    received: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)] = 0
    eof: bool = False
    given: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)] = 0
    ended: bool = False


InputPositions = Annotated[dict[InputNumber, InputPosition], msgspec.Meta(max_length=1025)]
"""By descriptor; the control input has its number."""


class AttendRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """POST /jobs/{id}/attend: how far the inputs of an attempt are at a worker without a link, which is
    answered by what it has not got yet. `wait`: seconds that it may be held when there is nothing."""

    attempt: Attempt
    inputs: InputPositions = {}
    wait: Annotated[float, msgspec.Meta(ge=0, le=60)] = 0.0


class Position(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where a follower is; sending it acknowledges all before it and renews the client's lease.

    The first message on the follow WebSocket, every later one there, and the
    body of POST /jobs/{id}/follow. `owner`: this follower is the caller that
    the job belongs to, whose pace ffmpeg has to follow. `wait`: seconds that a
    poll may be held when there is nothing new. `others`: offsets in the outputs
    that are neither stdout nor stderr, by descriptor. `progress`: number of the last progress that the
    follower was told, 0 for none; None if it does not want to be told. `inputs`: what an owner that polls was
    told of its inputs in that attempt; None if it does not want to be told of them.
    """

    attempt: Attempt = 0
    stdout: Annotated[int, msgspec.Meta(ge=0)] = 0
    stderr: Annotated[int, msgspec.Meta(ge=0)] = 0
    others: dict[DescriptorNumber, Annotated[int, msgspec.Meta(ge=0)]] = {}
    status: str | None = None
    owner: bool = False
    progress: Annotated[int, msgspec.Meta(ge=0)] | None = None
    inputs: InputPositions | None = None
    wait: Annotated[float, msgspec.Meta(ge=0, le=60)] = 0.0


class LogLine(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of the older log interface, without its end."""

    stream: Literal["stdout", "stderr"]
    content: str
    id: str | None = None
    timestamp: str | None = None


class LogsRequest(msgspec.Struct, kw_only=True):
    """POST /jobs/{id}/logs."""

    logs: Annotated[list[LogLine], msgspec.Meta(max_length=10_000)]


class StatusReply(msgspec.Struct, kw_only=True):
    """`{"status": "ok"}`, with `detail` where there is something to add."""

    status: str = "ok"
    detail: str | None = None
