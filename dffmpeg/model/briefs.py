"""Jobs in brief: what lists and news show of them."""

from __future__ import annotations

from dataclasses import dataclass

from dffmpeg.model.jobs import JobState
from dffmpeg.model.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBrief:
    """Columns of `dffmpeg.model.jobs.Job`."""

    job_id: str
    requester_id: str
    binary_name: str
    name: str | None
    labels: tuple[str, ...]
    state: JobState
    attempt: int
    worker_id: str | None
    priority: int
    exit_code: int | None
    signal: int | None
    reason: str | None
    last_line: str | None
    created_at: float
    last_update: float
    ended_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressBrief:
    """How far a job is: columns of `dffmpeg.model.jobs.Job`."""

    job_id: str
    requester_id: str
    attempt: int
    worker_id: str | None
    progress: Progress
