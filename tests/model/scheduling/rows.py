"""Jobs and workers as the scheduler sees them, with what a test says of them."""

from typing import Any

from dffmpeg.model.jobs import JobState
from dffmpeg.model.needs import Needs
from dffmpeg.model.scheduling.board import Board, Decision
from dffmpeg.model.scheduling.entries import Entry, Shape
from dffmpeg.model.scheduling.policy import Policy
from dffmpeg.model.workers import Worker, WorkerState

NOW = 1_000_000.0


def job(
    name: str,
    *,
    who: str = "alice",
    binary: str = "ffmpeg",
    paths: tuple[str, ...] = (),
    labels: tuple[str, ...] = (),
    asks: dict[str, int] | None = None,
    **fields: Any,
) -> Entry:
    shape = Shape(binary, paths, labels, Needs(resources=asks or {}))
    defaults: dict[str, Any] = {"created_at": NOW, "last_update": NOW}
    return Entry(job_id=name, requester_id=who, shape=shape, **{**defaults, **fields})


def running(name: str, worker_id: str, **fields: Any) -> Entry:
    return job(name, state=JobState.RUNNING, worker_id=worker_id, attempt=1, **fields)


def worker(name: str, slots: int = 1, **fields: Any) -> Worker:
    defaults: dict[str, Any] = {
        "state": WorkerState.ONLINE,
        "binaries": ("ffmpeg",),
        "last_seen": NOW,
        "registered_at": NOW,
    }
    return Worker(worker_id=name, slots=slots, **{**defaults, **fields})


def board(*rows: Entry | Worker, now: float = NOW, **policy: Any) -> Board:
    made = Board(Policy(**policy))
    for row in rows:
        if isinstance(row, Worker):
            made.set_worker(row, now)
        else:
            made.put(row, now)
    return made


def pairs(decisions: list[Decision]) -> list[tuple[str, str]]:
    return [(one.entry.job_id, one.worker_id) for one in decisions]


def jobs(decisions: list[Decision]) -> list[str]:
    return [one.entry.job_id for one in decisions]
