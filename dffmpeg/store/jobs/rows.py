"""Jobs, their entries for the scheduler and their attempts as rows, and back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa

from dffmpeg.model.jobs import Attempt, AttemptOutcome, Job, JobState
from dffmpeg.model.needs import Needs
from dffmpeg.model.scheduling.entries import Entry, Shape
from dffmpeg.store import schema
from dffmpeg.store.encoding import dump, load_map, load_names, pack, unpack_list, unpack_map

ONE = sa.select(schema.jobs).where(schema.jobs.c.job_id == sa.bindparam("the_job"))
"""A job's row, by its id."""

# Names and needs as text: most jobs have the same, which are decoded once.
RAW = ("paths", "labels", "needs")

_AS_THEY_ARE = (
    "name",
    "labels",
    "priority",
    "needs",
    "rules",
    "predecessors",
    "blocked",
    "idempotency_key",
    "losses",
    "ready_at",
    "ended_at",
    "expires_at",
    "size",
    "resources",
    "substitutions",
    "hindrance",
    "progress",
    "begun",
    "retry_of",
    "last_line",
)


def to_row(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "requester_id": job.requester_id,
        "binary_name": job.binary_name,
        "arguments": pack(job.arguments),
        "paths": dump(job.paths),
        "working_directory": job.working_directory,
        "client_paths": pack(dict(job.client_paths)),
        "state": job.state.value,
        "attempt": job.attempt,
        "worker_id": job.worker_id,
        "exit_code": job.exit_code,
        "signal": job.signal,
        "reason": job.reason,
        "monitor": job.monitor,
        "heartbeat_interval": job.heartbeat_interval,
        "transport": job.transport,
        "transport_metadata": dump(dict(job.transport_metadata)),
        "supported_transports": dump(job.supported_transports),
        "pending_timeout": job.pending_timeout,
        "max_attempts": job.max_attempts,
        "not_before": job.not_before,
        "created_at": job.created_at,
        "last_update": job.last_update,
        "worker_last_seen": job.worker_last_seen,
        "client_last_seen": job.client_last_seen,
        "excluded_worker": job.excluded_worker,
        "launch": job.launch,
        **{name: getattr(job, name) for name in _AS_THEY_ARE},
    }


def to_job(row: Mapping[str, Any]) -> Job:
    values = dict(row)
    values["arguments"] = unpack_list(values["arguments"])
    values["client_paths"] = unpack_map(values["client_paths"])
    values["paths"] = load_names(values["paths"])
    values["supported_transports"] = load_names(values["supported_transports"])
    values["transport_metadata"] = load_map(values["transport_metadata"])
    values["state"] = JobState(values["state"])
    return Job(**values)


def to_entry(row: Mapping[str, Any]) -> Entry:
    values = dict(row)
    shape = _shape(values.pop("binary_name"), *(values.pop(name) for name in RAW))
    return Entry(shape=shape, **{**values, "state": JobState(values["state"])})


@lru_cache(maxsize=4096)
def _shape(binary_name: str, paths: str, labels: str, needs: str) -> Shape:
    return Shape(binary_name, load_names(paths), load_names(labels), msgspec.json.decode(needs, type=Needs))


def to_attempt(row: Mapping[str, Any]) -> Attempt:
    values = dict(row)
    values["outcome"] = None if values["outcome"] is None else AttemptOutcome(values["outcome"])
    return Attempt(**values)
