"""The cluster, by way of its coordinator's HTTP API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec

from dffmpeg.configuration.client import ClientConfig
from dffmpeg.errors import ConfigurationError
from dffmpeg.model.audit import AuditRequest
from dffmpeg.supervisors import TreeNode
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.wire import times
from dffmpeg.wire.administration import (
    HoldRequest,
    Overview,
    PauseRequest,
    PriorityRequest,
    ProbeRequest,
)
from dffmpeg.wire.audit import AuditList
from dffmpeg.wire.janitor import JanitorRecord
from dffmpeg.wire.jobs import AttemptRecord, JobRecord, LogLine, StatusReply
from dffmpeg.wire.scheduling import Explanation, QueueState
from dffmpeg.wire.signature import decode_key
from dffmpeg.wire.workers import WorkerRecord

T = TypeVar("T")

SWEEP_PATIENCE = 660.0
"""Seconds; the coordinator's own is shorter."""

EVER = 366 * 86_400.0
"""The farthest that a list looks back, seconds."""


class _Logs(msgspec.Struct):
    logs: list[LogLine]
    last_message_id: str | None = None


class Coordinator:
    """Every method may raise `Unreachable`, `Refused` and `BadInput`.

    Names of jobs and workers must be checked before they come here: they become parts of a path.

    Args:
        place: its URL.
        timeout: seconds for each answer.
    """

    def __init__(self, http: SignedHttp, place: str, timeout: float) -> None:
        self._http = http
        self._timeout = timeout
        self.place = place

    async def overview(self, window: float) -> Overview:
        return await self._get("/admin/overview", Overview, window=window)

    async def tree(self) -> TreeNode:
        return await self._get("/admin/tree", TreeNode)

    async def jobs(
        self,
        *,
        window: float,
        limit: int,
        states: Sequence[str] = (),
        requester: str | None = None,
        labels: Sequence[str] = (),
        name: str | None = None,
        since_id: str | None = None,
    ) -> list[JobRecord]:
        return await self._get(
            "/jobs",
            list[JobRecord],
            window=window,
            limit=limit,
            status=",".join(states) or None,
            requester=requester,
            label=",".join(labels) or None,
            name=name,
            since_id=since_id,
        )

    async def job(self, job_id: str) -> JobRecord:
        return await self._get(f"/jobs/{job_id}/status", JobRecord)

    async def attempts(self, job_id: str) -> list[AttemptRecord]:
        return await self._get(f"/jobs/{job_id}/attempts", list[AttemptRecord])

    async def logs(self, job_id: str, since: str | None) -> tuple[list[LogLine], str | None]:
        page = await self._get(f"/jobs/{job_id}/logs", _Logs, since_message_id=since)
        return page.logs, page.last_message_id

    async def cancel(self, job_id: str) -> StatusReply:
        return await self._post(f"/jobs/{job_id}/cancel", StatusReply)

    async def retry(self, job_id: str) -> JobRecord:
        return await self._post(f"/jobs/{job_id}/retry", JobRecord)

    async def set_priority(self, job_id: str, priority: int | str) -> JobRecord:
        return await self._post(f"/jobs/{job_id}/priority", JobRecord, PriorityRequest(priority=priority))

    async def why(self, job_id: str) -> Explanation:
        return await self._get(f"/jobs/{job_id}/why", Explanation)

    async def purge(self, job_id: str) -> None:
        await self._http.call("DELETE", f"/jobs/{job_id}", StatusReply, timeout=self._timeout)

    async def workers(self) -> list[WorkerRecord]:
        return await self._get("/workers", list[WorkerRecord], window=EVER)

    async def worker(self, worker_id: str) -> WorkerRecord:
        return await self._get(f"/workers/{worker_id}", WorkerRecord)

    async def hold_worker(self, worker_id: str, how: str, request: HoldRequest) -> WorkerRecord:
        """`how` is `pause`, `drain` or `quarantine`."""
        return await self._post(f"/workers/{worker_id}/{how}", WorkerRecord, request)

    async def resume_worker(self, worker_id: str) -> WorkerRecord:
        return await self._post(f"/workers/{worker_id}/resume", WorkerRecord)

    async def probe_worker(self, worker_id: str, *, benchmark: bool) -> None:
        await self._post(f"/workers/{worker_id}/probe", StatusReply, ProbeRequest(benchmark=benchmark))

    async def queue(self) -> QueueState:
        return await self._get("/queue", QueueState)

    async def pause_queue(self, reason: str | None) -> QueueState:
        return await self._post("/queue/pause", QueueState, PauseRequest(reason=reason))

    async def resume_queue(self) -> QueueState:
        return await self._post("/queue/resume", QueueState)

    async def run_janitor(self, action: str) -> JanitorRecord:
        # It comes back when the sweep is done, which may take a while.
        return await self._post("/admin/janitor", JanitorRecord, {"action": action}, timeout=SWEEP_PATIENCE)

    async def janitor_runs(self, limit: int) -> list[JanitorRecord]:
        return await self._get("/admin/janitor", list[JanitorRecord], limit=limit)

    async def audit(self, request: AuditRequest) -> AuditList:
        return await self._get(
            "/api/v1/audit",
            AuditList,
            limit=request.limit,
            cursor=request.after,
            actor=request.actor,
            action=request.action,
            since=None if request.since is None else times.to_wire(request.since),
        )

    async def remove_worker(self, worker_id: str) -> None:
        await self._http.call("DELETE", f"/workers/{worker_id}", StatusReply, timeout=self._timeout)

    async def _get(self, path: str, kind: type[T], **query: Any) -> T:
        given = {name: str(value) for name, value in query.items() if value is not None}
        return await self._http.call("GET", path, kind, query=given or None, timeout=self._timeout)

    async def _post(self, path: str, kind: type[T], body: Any = None, *, timeout: float | None = None) -> T:
        return await self._http.call("POST", path, kind, json=body, timeout=timeout or self._timeout)


@asynccontextmanager
async def connected(config: ClientConfig) -> AsyncIterator[Coordinator]:
    """The coordinator that a configuration names, as its identity.

    Raises:
        ConfigurationError: the key cannot be used.
    """
    try:
        key = decode_key(config.hmac_key)
    except ValueError as error:
        raise ConfigurationError(f"hmac_key: {error}") from None
    async with SignedHttp(config.coordinator_url, config.client_id, key, config.tls) as http:
        yield Coordinator(http, config.coordinator_url, config.connect_timeout)
