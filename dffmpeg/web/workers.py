"""Workers: how they come and go, and what is known about them."""

from __future__ import annotations

from quart import Blueprint, Response

from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.web import requests
from dffmpeg.web.answers import json_answer
from dffmpeg.web.jobs import MAX_WINDOW
from dffmpeg.web.requests import caller
from dffmpeg.wire.workers import DeregisterRequest, RegisterRequest, VerifyRequest


def blueprint(operations: Operations) -> Blueprint:
    """The routes below /worker and /workers, but for the downlink."""
    routes = Blueprint("workers", __name__)

    @routes.post("/worker/register")
    async def register() -> Response:
        return json_answer(await operations.register(caller(), requests.body(RegisterRequest)))

    @routes.post("/worker/<worker_id>/verify")
    async def verify(worker_id: str) -> Response:
        token = requests.body(VerifyRequest).registration_token
        return json_answer(await operations.verify(caller(), worker_id, token))

    @routes.post("/worker/deregister")
    async def deregister() -> Response:
        request = requests.body(DeregisterRequest)
        return json_answer(await operations.deregister(caller(), request.worker_id, request.instance))

    @routes.get("/workers")
    async def workers() -> Response:
        requests.refuse_paging("GET /api/v1/workers")
        window = requests.number("window", 86_400.0, maximum=MAX_WINDOW)
        return json_answer(await operations.workers(caller(), window=window))

    @routes.get("/workers/<worker_id>")
    async def worker(worker_id: str) -> Response:
        return json_answer(await operations.worker(caller(), worker_id))

    return routes
