"""What a retried job has of the one that it repeats."""

from __future__ import annotations

import dataclasses

import pytest

from dffmpeg.model.jobs import TERMINAL, Job, JobState
from dffmpeg.model.needs import Needs
from dffmpeg.model.progress import Progress
from dffmpeg.model.resubmission import resubmitted
from dffmpeg.model.rules import Rules

REQUEST = {
    "requester_id": "alice",
    "binary_name": "ffmpeg",
    "arguments": (b"-i", b"\xff"),
    "paths": ("M",),
    "working_directory": b"$M/x",
    "client_paths": {"M": b"/m"},
    "heartbeat_interval": 7.0,
    "transport": "websocket",
    "transport_metadata": {"path": "/x"},
    "supported_transports": ("websocket",),
    "pending_timeout": 9.0,
    "max_attempts": 5,
    "name": "night",
    "labels": ("l",),
    "priority": -3,
    "needs": Needs(encoders=("libx264",)),
    "rules": Rules(run_timeout=3.0),
    "size": 12.0,
}
FATE = {
    "attempt": 3,
    "worker_id": "w",
    "exit_code": 1,
    "signal": 9,
    "reason": "lost",
    "monitor": True,
    "not_before": 5.0,
    "worker_last_seen": 6.0,
    "client_last_seen": 6.0,
    "excluded_worker": "w",
    "predecessors": ("P",),
    "blocked": 1,
    "idempotency_key": "k",
    "losses": 2,
    "ended_at": 8.0,
    "expires_at": 9.0,
    "resources": {"nvenc": 1},
    "substitutions": {"a": "b"},
    "hindrance": "nobody can",
    "last_line": "no",
    "progress": Progress(frame=3),
    "begun": {b"$M/x": 5},
}
CHANGED = {
    "job_id": "J",
    "launch": b"{}",
    "created_at": 1.0,
    "last_update": 8.0,
    "ready_at": 1.0,
    "retry_of": "H",
}


def ended(state: JobState = JobState.FAILED) -> Job:
    return Job(**REQUEST, **FATE, **CHANGED, state=state)  # type: ignore[arg-type]


def test_every_field_of_a_job_is_its_request_or_its_fate() -> None:
    known = {*REQUEST, *FATE, *CHANGED, "state"}
    assert {field.name for field in dataclasses.fields(Job)} == known


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_the_request_is_the_same_and_the_fate_is_open(state: JobState) -> None:
    again = resubmitted(ended(state), "K", 100.0, launch=b"detached")
    fresh = Job(
        **REQUEST,  # type: ignore[arg-type]
        job_id="K",
        retry_of="J",
        created_at=100.0,
        last_update=100.0,
        ready_at=100.0,
        launch=b"detached",
    )
    assert again == fresh


@pytest.mark.parametrize("state", sorted(set(JobState) - TERMINAL))
def test_a_job_that_has_not_ended_is_not_repeated(state: JobState) -> None:
    with pytest.raises(ValueError, match=state):
        resubmitted(ended(state), "K", 100.0, launch=None)
