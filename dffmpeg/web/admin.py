"""What administrators may look at and ask for; jobs' requesters may some of it too."""

from __future__ import annotations

import msgspec
from quart import Blueprint, Response

from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.model.janitor import Action
from dffmpeg.model.workers import Hold
from dffmpeg.web import requests
from dffmpeg.web.answers import json_answer
from dffmpeg.web.jobs import MAX_WINDOW
from dffmpeg.web.requests import caller
from dffmpeg.wire.administration import HoldRequest, PauseRequest, PriorityRequest, ProbeRequest, RetryRequest

MAX_RUNS = 1000
"""Of the janitor, in one list."""


class JanitorRequest(msgspec.Struct, kw_only=True):
    """POST /admin/janitor."""

    action: Action


def blueprint(operations: Operations) -> Blueprint:
    """The routes below /admin, and those of jobs and workers that are for administration."""
    routes = Blueprint("admin", __name__)

    @routes.get("/admin/overview")
    async def overview() -> Response:
        window = requests.number("window", 86_400.0, maximum=MAX_WINDOW)
        return json_answer(await operations.cluster(caller(), window))

    @routes.post("/admin/janitor")
    async def janitor() -> Response:
        return json_answer(await operations.run_janitor(caller(), requests.body(JanitorRequest).action))

    @routes.get("/admin/janitor")
    async def janitor_runs() -> Response:
        limit = requests.whole_number("limit", 20, maximum=MAX_RUNS)
        return json_answer(await operations.janitor_runs(caller(), limit=limit))

    _add_queue(routes, operations)
    _add_jobs(routes, operations)
    _add_workers(routes, operations)
    return routes


def _add_queue(routes: Blueprint, operations: Operations) -> None:
    @routes.get("/queue")
    async def queue() -> Response:
        return json_answer(await operations.queue_state(caller()))

    @routes.post("/queue/pause")
    async def pause_queue() -> Response:
        request = requests.body(PauseRequest, empty=PauseRequest())
        return json_answer(await operations.pause_queue(caller(), request.reason))

    @routes.post("/queue/resume")
    async def resume_queue() -> Response:
        return json_answer(await operations.resume_queue(caller()))


def _add_jobs(routes: Blueprint, operations: Operations) -> None:
    @routes.post("/jobs/<job_id>/retry")
    async def retry(job_id: str) -> Response:
        request = requests.body(RetryRequest, empty=RetryRequest())
        return json_answer(await operations.retry(caller(), job_id, request))

    @routes.post("/jobs/<job_id>/priority")
    async def priority(job_id: str) -> Response:
        wanted = requests.body(PriorityRequest).priority
        return json_answer(await operations.set_priority(caller(), job_id, wanted))

    @routes.get("/jobs/<job_id>/why")
    async def why(job_id: str) -> Response:
        return json_answer(await operations.why(caller(), job_id))

    @routes.delete("/jobs/<job_id>")
    async def purge(job_id: str) -> Response:
        return json_answer(await operations.purge(caller(), job_id))


def _add_workers(routes: Blueprint, operations: Operations) -> None:
    async def hold(worker_id: str, how: Hold) -> Response:
        request = requests.body(HoldRequest)
        record = await operations.hold_worker(
            caller(), worker_id, how, reason=request.reason, seconds=request.seconds
        )
        return json_answer(record)

    @routes.post("/workers/<worker_id>/pause")
    async def pause(worker_id: str) -> Response:
        return await hold(worker_id, Hold.PAUSED)

    @routes.post("/workers/<worker_id>/drain")
    async def drain(worker_id: str) -> Response:
        return await hold(worker_id, Hold.DRAINING)

    @routes.post("/workers/<worker_id>/quarantine")
    async def quarantine(worker_id: str) -> Response:
        return await hold(worker_id, Hold.QUARANTINED)

    @routes.post("/workers/<worker_id>/resume")
    async def resume(worker_id: str) -> Response:
        return json_answer(await operations.release_worker(caller(), worker_id))

    @routes.post("/workers/<worker_id>/probe")
    async def probe(worker_id: str) -> Response:
        request = requests.body(ProbeRequest, empty=ProbeRequest())
        return json_answer(await operations.probe(caller(), worker_id, benchmark=request.benchmark), 202)

    @routes.delete("/workers/<worker_id>")
    async def remove(worker_id: str) -> Response:
        return json_answer(await operations.remove_worker(caller(), worker_id))
