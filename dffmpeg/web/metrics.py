"""What monitoring reads: everything in Prometheus' format, and older counts of jobs as JSON."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec
from quart import Blueprint, Response, request

from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.web import addresses, requests
from dffmpeg.web.answers import json_answer
from dffmpeg.web.authentication import Authentication
from dffmpeg.web.viewers import require_near
from dffmpeg.wire import times
from dffmpeg.wire.signature import CLIENT_ID_HEADER

if TYPE_CHECKING:
    from dffmpeg.supervisors import TreeNode

WINDOWS = {"last_1m": 60.0, "last_5m": 300.0}
"""Seconds."""

Counts = dict[str, int]

SIGNED = "GET /metrics.json"
"""Whoever may call this may call /metrics from everywhere."""

JSON = "application/json"
TEXTS = frozenset({"text/plain", "application/openmetrics-text"})


def blueprint(
    operations: Operations,
    config: CoordinatorConfig,
    authentication: Authentication,
    tree: Callable[[], TreeNode] | None,
) -> Blueprint:
    """The routes /metrics and /metrics.json."""
    routes = Blueprint("metrics", __name__)
    allowed = addresses.parse_networks(config.allowed_metrics_ips, "allowed_metrics_ips")

    async def check() -> bool:
        """Let a request pass; returns whether it is signed."""
        if CLIENT_ID_HEADER in request.headers:
            await authentication.check(request.scope, SIGNED, requests.request_body())
            return True
        require_near(allowed, "without a signature (see allowed_metrics_ips) metrics are")
        return False

    @routes.get("/metrics")
    async def metrics() -> Response:
        if _wants_json(await check()):
            return await counts()
        content, kind = await operations.exposition(request.headers.get("Accept", ""), tree)
        return Response(content, content_type=kind, headers={"Cache-Control": "no-store"})

    @routes.get("/metrics.json")
    async def counts() -> Response:
        overview = await operations.overview(max(WINDOWS.values()))
        jobs = msgspec.convert(overview["jobs"], list[Counted])
        return json_answer(count(jobs, time.time()))

    return routes


def _wants_json(signed: bool) -> bool:
    """Older programs sign, ask for nothing in particular, and expect JSON; Prometheus names its formats."""
    asked = set(request.accept_mimetypes.values())
    if asked & TEXTS:
        return False
    return signed or JSON in asked


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
