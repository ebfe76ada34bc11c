"""Jobs: submitted and watched by clients, accepted and reported by workers."""

from __future__ import annotations

from quart import Blueprint, Response, request

from dffmpeg.actors.coordinator.operations import Operations, Unavailable
from dffmpeg.errors import BadInput
from dffmpeg.model.jobs import JobState
from dffmpeg.web import requests
from dffmpeg.web.answers import frames_answer, json_answer
from dffmpeg.web.closing import Closing
from dffmpeg.web.requests import caller
from dffmpeg.wire import frames, trace
from dffmpeg.wire.jobs import AttemptReport, AttendRequest, FinishReport, LogsRequest, SubmitRequest

MAX_WINDOW = 366 * 86_400.0
"""Seconds that a list may look back."""

MAX_LIST = 10_000


def blueprint(operations: Operations, closing: Closing) -> Blueprint:
    """The routes below /jobs, but for following one."""
    routes = Blueprint("jobs", __name__, url_prefix="/jobs")
    _add_client_routes(routes, operations)
    _add_worker_routes(routes, operations)
    _add_logs(routes, operations)

    @routes.post("/<job_id>/output")
    async def output(job_id: str) -> Response:
        pieces = list(frames.decode_all(requests.request_body().content))
        for piece in pieces:
            frames.output_number(piece)
        # It may be held while the reader's window is full, and repeating it is harmless.
        with closing.interruptible():
            return json_answer(await operations.output(caller(), job_id, pieces))
        raise Unavailable("the coordinator is stopping")

    @routes.post("/<job_id>/attend")
    async def attend(job_id: str) -> Response:
        request = requests.body(AttendRequest)
        with closing.interruptible():
            return frames_answer(await operations.attend_once(caller(), job_id, request))
        raise Unavailable("the coordinator is stopping")

    return routes


def _add_client_routes(routes: Blueprint, operations: Operations) -> None:
    @routes.post("/submit")
    async def submit() -> Response:
        wanted = requests.body(SubmitRequest)
        if wanted.traceparent is None:
            wanted.traceparent = trace.read(request.headers.get(trace.HEADER))
        return json_answer(await operations.submit(caller(), wanted))

    @routes.get("")
    async def jobs() -> Response:
        requests.refuse_paging("GET /api/v1/jobs")
        records = await operations.jobs(
            caller(),
            window=requests.number("window", 3600.0, maximum=MAX_WINDOW),
            since_id=requests.text("since_id"),
            limit=requests.whole_number("limit", 1000, maximum=MAX_LIST),
            states=_states(requests.text("status")),
            requester=requests.text("requester"),
            labels=requests.names("label"),
            name=requests.text("name"),
        )
        return json_answer(records)

    @routes.get("/<job_id>/status")
    async def job(job_id: str) -> Response:
        return json_answer(await operations.job(caller(), job_id))

    @routes.get("/<job_id>/attempts")
    async def attempts(job_id: str) -> Response:
        return json_answer(await operations.attempts(caller(), job_id))

    @routes.post("/<job_id>/cancel")
    async def cancel(job_id: str) -> Response:
        return json_answer(await operations.cancel(caller(), job_id))

    @routes.post("/<job_id>/client_heartbeat")
    async def client_heartbeat(job_id: str) -> Response:
        monitor = requests.flag("monitor")
        return json_answer(await operations.client_heartbeat(caller(), job_id, monitor=monitor))


def _states(text: str | None) -> list[JobState] | None:
    if text is None:
        return None
    try:
        return [JobState(name) for name in text.split(",")]
    except ValueError:
        raise BadInput(f"status: expected some of {', '.join(JobState)}, with commas between") from None


def _add_worker_routes(routes: Blueprint, operations: Operations) -> None:
    def report() -> AttemptReport:
        return requests.body(AttemptReport, empty=AttemptReport())

    @routes.post("/<job_id>/accept")
    async def accept(job_id: str) -> Response:
        return json_answer(await operations.accept(caller(), job_id, report()))

    @routes.post("/<job_id>/reject")
    async def reject(job_id: str) -> Response:
        return json_answer(await operations.reject(caller(), job_id, report()))

    @routes.post("/<job_id>/worker_heartbeat")
    async def worker_heartbeat(job_id: str) -> Response:
        return json_answer(await operations.worker_heartbeat(caller(), job_id, report()))

    @routes.post("/<job_id>/status")
    async def finish(job_id: str) -> Response:
        return json_answer(await operations.finish(caller(), job_id, requests.body(FinishReport)))


def _add_logs(routes: Blueprint, operations: Operations) -> None:
    @routes.post("/<job_id>/logs")
    async def add_log_lines(job_id: str) -> Response:
        return json_answer(await operations.add_log_lines(caller(), job_id, requests.body(LogsRequest)))

    @routes.get("/<job_id>/logs")
    async def log_lines(job_id: str) -> Response:
        lines, last = await operations.log_lines(
            caller(),
            job_id,
            since=requests.text("since_message_id"),
            limit=requests.whole_number("limit", 1000, maximum=MAX_LIST),
        )
        return json_answer({"logs": lines, "last_message_id": last})
