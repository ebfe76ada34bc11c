"""Bodies of the worker routes, and what travels on the downlink."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from dffmpeg.model.abilities import Abilities
from dffmpeg.wire.bytestring import ByteString
from dffmpeg.wire.jobs import Attempt, Begun, Launch, Name, Seconds


class AttemptRef(msgspec.Struct, kw_only=True, frozen=True):
    """One attempt of one job."""

    job_id: str
    attempt: Attempt


class JobRequest(msgspec.Struct, kw_only=True):
    """What a worker needs in order to run an attempt.

    Attributes:
        resources: what it takes of the worker's, besides one of its slots.
        traceparent: the trace that its submission belongs to.
        run_timeout: seconds after which it is ended as a failure.
        stall_timeout: seconds without output and without use of a processor after which it is given back.
        network: whether it was submitted as one that needs the network, whatever its command line says.
        begun: output files that earlier attempts made: they are to be removed, if they are still those.
        resources: what it takes of the worker's, besides one of its slots.
    """

    job_id: str
    attempt: Attempt
    binary_name: str
    arguments: list[ByteString]
    paths: list[str]
    working_directory: ByteString | None
    client_paths: dict[str, ByteString] = {}
    launch: Launch | None = None
    heartbeat_interval: float
    resources: dict[str, int] = {}
    traceparent: str | None = None
    run_timeout: float | None = None
    stall_timeout: float | None = None
    begun: list[Begun] = []
    network: bool = False


class RegisterRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """POST /worker/register; sent again every `registration_interval` seconds, it renews the lease.

    `running` is every attempt that the worker holds (accepted or about to be);
    None from an older worker, which is then not reconciled. What `labels` and all below it mean stands
    with `dffmpeg.model.workers.Worker`. `abilities_digest` names the abilities; they are sent with it only
    if the last reply did not name the same, and a worker that has none to tell sends neither.
    `instance` names the process that registers: while it is there, others of its identity are refused (409).
    `sole_on` names a lock that it has for itself: see `dffmpeg.model.instances.takes_over`.
    `read_only` are those of its `paths` in which it lets no job change anything.
    `preferred_transports` is the order that the worker was configured with, where it asks for another one
    because a downlink does not work for it.
    `load` is how many processes of its machine run or want to, for each processor, over the last minute.
    """

    worker_id: Name
    capabilities: list[str] = []
    binaries: list[Name] = []
    paths: list[Name] = []
    supported_transports: list[str] = []
    preferred_transports: Annotated[list[str], msgspec.Meta(max_length=64)] = []
    registration_interval: Seconds = 10.0
    version: str | None = None
    status: Literal["online", "draining"] = "online"
    slots: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 1
    running: list[AttemptRef] | None = None
    labels: Annotated[list[Name], msgspec.Meta(max_length=64)] = []
    resources: dict[Name, Annotated[int, msgspec.Meta(ge=0, le=10_000)]] = {}
    weight: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 1.0
    abilities: dict[Name, Abilities] = {}
    abilities_digest: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    benchmark: Annotated[float, msgspec.Meta(ge=0)] | None = None
    substitutions: dict[str, str] = {}
    hours: Annotated[str, msgspec.Meta(max_length=1000)] | None = None
    mounts: dict[str, str] = {}
    instance: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9]{1,64}\Z")] | None = None
    sole_on: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    load: Annotated[float, msgspec.Meta(ge=0, le=1e6)] | None = None
    read_only: list[Name] = []


class RegisterReply(msgspec.Struct, kw_only=True):
    """What the worker should do: its downlink, its lease, and the reconciliation.

    Attributes:
        status: the worker's state: `registering` until the token came back, then `online` or `draining`.
        lease: seconds without a renewal after which the coordinator gives its jobs to others.
        assigned: attempts given to this worker that it did not list; accept them.
        cancel: attempts that it should cancel gracefully and confirm.
        stop: attempts that it must kill without a report: they are not its own any more.
        abilities_digest: names the abilities that the coordinator knows of it; None where it knows none.
    """

    transport: str
    transport_metadata: dict[str, Any]
    status: str
    lease: float
    assigned: list[JobRequest] = []
    cancel: list[AttemptRef] = []
    stop: list[AttemptRef] = []
    abilities_digest: str | None = None


class VerifyRequest(msgspec.Struct, kw_only=True):
    """POST /worker/{worker_id}/verify."""

    registration_token: str


class DeregisterRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """POST /worker/deregister. `instance` as it registered."""

    worker_id: Name
    instance: str | None = None


class WorkerRecord(msgspec.Struct, kw_only=True):
    """A worker as every answer shows it. Times are ISO 8601 UTC."""

    worker_id: str
    status: str
    capabilities: list[str]
    binaries: list[str]
    paths: list[str]
    registration_interval: float
    slots: int
    used_slots: int
    version: str | None
    transport: str | None
    last_seen: str
    labels: list[str] = []
    resources: dict[str, int] = {}
    weight: float = 1.0
    abilities: dict[str, Abilities] = {}
    benchmark: float | None = None
    substitutions: dict[str, str] = {}
    hours: str | None = None
    mounts: dict[str, str] = {}
    hold: str | None = None
    hold_reason: str | None = None
    hold_until: str | None = None
    strikes: int = 0
    load: float | None = None
    read_only: list[str] = []


MessageType = Literal["job_request", "job_status", "job_logs", "verify_registration", "probe"]


class DownlinkMessage(msgspec.Struct, kw_only=True):
    """A message to a worker or a client. It is a hint: losing it costs time, never correctness.

    Payloads by type: `job_request` a JobRequest; `job_status` {status, exit_code?, attempt,
    last_update?}; `verify_registration` {registration_token}; `job_logs` {logs}; `probe` {benchmark}.
    `seal`, over a broker: see `dffmpeg.wire.seals`.
    """

    message_id: str
    recipient_id: str
    timestamp: str
    message_type: MessageType
    payload: dict[str, Any]
    sender_id: str | None = None
    job_id: str | None = None
    sent_at: str | None = None
    seal: str | None = None


class Messages(msgspec.Struct, kw_only=True):
    """A poll's answer."""

    messages: list[DownlinkMessage]
