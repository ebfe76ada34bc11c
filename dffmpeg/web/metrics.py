"""Counts of jobs, for monitoring."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable

import msgspec
from quart import Blueprint, Response

from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.web.answers import json_answer
from dffmpeg.wire import times

WINDOWS = {"last_1m": 60.0, "last_5m": 300.0}
"""Seconds."""

Counts = dict[str, int]


def blueprint(operations: Operations) -> Blueprint:
    """The route /metrics."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    async def metrics() -> Response:
        overview = await operations.overview(max(WINDOWS.values()))
        jobs = msgspec.convert(overview["jobs"], list[Counted])
        return json_answer(count(jobs, time.time()))

    return routes


class Counted(msgspec.Struct, kw_only=True):
    """What matters here of a job record."""

    binary_name: str
    worker_id: str | None
    status: str
    last_update: str


def count(jobs: Iterable[Counted], now: float) -> dict[str, object]:
    """Count jobs in total, for each binary and for each worker.

    Args:
        now: Unix time in seconds.

    Returns:
        For each: `current`, the live jobs, and `last_1m` and `last_5m`, those
        that were live or changed then.
    """
    total = _none()
    binaries: defaultdict[str, Counts] = defaultdict(_none)
    workers: defaultdict[str, Counts] = defaultdict(_none)
    for job in jobs:
        groups = [total, binaries[job.binary_name]]
        if job.worker_id is not None:
            groups.append(workers[job.worker_id])
        for name in _names(job, now):
            for group in groups:
                group[name] += 1
    return {"total": total, "per_binary": binaries, "per_worker": workers}


def _none() -> Counts:
    return {"current": 0, **dict.fromkeys(WINDOWS, 0)}


def _names(job: Counted, now: float) -> list[str]:
    if job.status not in ("completed", "failed", "canceled"):
        return ["current", *WINDOWS]
    age = now - times.from_wire(job.last_update)
    return [name for name, seconds in WINDOWS.items() if age <= seconds]
