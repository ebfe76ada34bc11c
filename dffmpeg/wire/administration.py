"""Bodies of the administrators' routes."""

from __future__ import annotations

from typing import Annotated

import msgspec

from dffmpeg.wire.jobs import JobRecord, Name, Priority, Seconds, Text
from dffmpeg.wire.scheduling import QueueState
from dffmpeg.wire.workers import WorkerRecord


class RetryRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """POST /jobs/{id}/retry. `job_id`, a ULID of the caller's making, makes repeating it harmless."""

    job_id: Annotated[str, msgspec.Meta(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")] | None = None


class PriorityRequest(msgspec.Struct, kw_only=True):
    """POST /jobs/{id}/priority."""

    priority: Priority | Name


class HoldRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """POST /workers/{id}/pause, /drain, /quarantine. `seconds` is when it comes back by itself, from now;
    None is not before somebody resumes it."""

    reason: Text
    seconds: Seconds | None = None


class ProbeRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """POST /workers/{id}/probe. `benchmark`: it also measures anew how fast it is."""

    benchmark: bool = False


class PauseRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """POST /queue/pause."""

    reason: Text | None = None


class CoordinatorRecord(msgspec.Struct, kw_only=True):
    """A coordinator among those that share the database.

    Attributes:
        coordinator_id: of its process: another one at each start.
        address: where the others reach it.
        status: `active` or `draining`.
        leads: whether it gives jobs to workers.
        workers: how many it looks after.
    """

    coordinator_id: str
    address: str | None = None
    status: str
    leads: bool
    workers: int
    version: str | None = None
    started_at: str


class Overview(msgspec.Struct, kw_only=True):
    """GET /admin/overview.

    Attributes:
        status: of the coordinator: `online` or `unhealthy`; None from an administration without one.
        databases, transports: by name, each `online` or what is wrong with it.
        counts: how many jobs there are in each state, all that the database has.
        live: the jobs that a worker has, newest first, at most 200.
        failed: those that failed lately, newest first, at most 20.
        queue: whether jobs are given to workers.
        coordinators: those that share the database, the oldest first; empty where only one can use it.
        alerts: what the coordinator cannot do as its configuration says, a sentence each.
    """

    status: str | None = None
    version: str
    databases: dict[str, str] = {}
    transports: dict[str, str] = {}
    counts: dict[str, int]
    workers: list[WorkerRecord]
    live: list[JobRecord]
    failed: list[JobRecord]
    queue: QueueState
    coordinators: list[CoordinatorRecord] = []
    alerts: list[str] = []
