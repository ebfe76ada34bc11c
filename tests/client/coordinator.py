"""A small coordinator over real sockets: as much of the contract as a client sees, and faults on request."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import hypercorn.trio
import msgspec
import trio
from hypercorn.config import Config
from quart import Response, abort, request, websocket
from quart_trio import QuartTrio

from dffmpeg.wire import codec, frames, signature
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import AttemptRecord, Position, StatusReply, SubmitRequest
from dffmpeg.wire.scheduling import QueueState
from dffmpeg.wire.workers import WorkerRecord
from tests.client.jobs import Job, RunPosition, Sent
from tests.client.records import TIME, record

KEY = b"k" * 32


Behaviour = Callable[[Job], Awaitable[None]]


class Coordinator:
    """The server's state and its faults.

    Attributes:
        behave: run for each submitted job; what a worker would do.
        refuse_websocket: HTTP status for the handshake; None accepts it.
        close_after: for each connection to come: bytes of stdout after which it is closed with 1012.
        overlap: bytes before the asked offset that are sent once more.
        window: bytes that may be unacknowledged.
        mangle: changes frames before they are sent.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.jobs: dict[str, Job] = {}
        self.submitted: list[SubmitRequest] = []
        self.requests: list[str] = []
        self.positions: list[Position] = []
        self.behave: Behaviour | None = None
        self.refuse_websocket: int | None = None
        self.refuse_submit: list[int] = []
        self.close_after: list[int] = []
        self.close_codes: list[int] = []
        self.overlap = 0
        self.window = 1 << 22
        self.mangle: Callable[[list[Frame]], list[Frame]] = lambda found: found
        self.attempts: list[AttemptRecord] = []
        self.workers: list[WorkerRecord] = []
        self.queue = QueueState(paused=False)
        self.url = ""
        self.app = QuartTrio("coordinator")
        self.app.config["MAX_CONTENT_LENGTH"] = 64 << 20
        self._routes()

    def job(self, status: str = "running", attempt: int = 1, **changes: Any) -> Job:
        job_id = str(changes.pop("job_id", f"01J{len(self.jobs):023d}"))
        self.jobs[job_id] = Job(record(status, attempt, job_id=job_id, **changes))
        return self.jobs[job_id]

    def _submit(self, body: SubmitRequest) -> Job:
        self.submitted.append(body)
        if body.job_id is not None and body.job_id in self.jobs:
            return self.jobs[body.job_id]
        changes = {} if body.job_id is None else {"job_id": body.job_id}
        job = self.job(
            "pending",
            0,
            binary_name=body.binary_name,
            arguments=body.arguments,
            paths=body.paths,
            monitor=body.monitor,
            **changes,
        )
        if self.behave is not None:
            self.nursery.start_soon(self.behave, job)
        return job

    def _find(self, job_id: str) -> Job:
        if job_id not in self.jobs:
            abort(404)
        return self.jobs[job_id]

    def _routes(self) -> None:  # noqa: C901
        app = self.app

        @app.before_request
        async def check() -> Response | None:
            self.requests.append(f"{request.method} {request.path}")
            target = request.full_path.rstrip("?")
            return _verified(request.method, target, await request.get_data(), dict(request.headers))

        @app.errorhandler(404)
        async def missing(error: Exception) -> Response:
            return _problem(404, "no such job")

        @app.post("/jobs/submit")
        async def submit() -> Response:
            if self.refuse_submit:
                return _problem(self.refuse_submit.pop(0), "not now", {"retry-after": "0"})
            body = codec.decode(await request.get_data(), SubmitRequest)
            return _json(self._submit(body).record)

        @app.get("/jobs")
        async def listed() -> Response:
            return _json([job.record for job in self.jobs.values()])

        @app.get("/jobs/<job_id>/status")
        async def status(job_id: str) -> Response:
            return _json(self._find(job_id).record)

        @app.get("/jobs/<job_id>/attempts")
        async def attempts(job_id: str) -> Response:
            self._find(job_id)
            return _json(self.attempts)

        @app.post("/jobs/<job_id>/cancel")
        async def cancel(job_id: str) -> Response:
            job = self._find(job_id)
            job.canceled.set()
            return _json(StatusReply(detail="finished before" if job.record.finished else None))

        @app.post("/jobs/<job_id>/client_heartbeat")
        async def heartbeat(job_id: str) -> Response:
            job = self._find(job_id)
            job.heartbeats += 1
            job.wake()
            return _json(StatusReply())

        @app.get("/jobs/<job_id>/logs")
        async def logs(job_id: str) -> Response:
            self._find(job_id)
            if request.args.get("since_message_id"):
                return _json({"logs": [], "last_message_id": None})
            line = {"stream": "stderr", "content": "frame=1\x1b[2J"}
            return _json({"logs": [line, line], "last_message_id": "1"})

        @app.get("/workers")
        async def workers() -> Response:
            return _json(self.workers)

        @app.get("/queue")
        async def queue() -> Response:
            return _json(self.queue)

        @app.get("/workers/<worker_id>")
        async def worker(worker_id: str) -> Response:
            for each in self.workers:
                if each.worker_id == worker_id:
                    return _json(each)
            return _problem(404, "no such worker")

        @app.post("/jobs/<job_id>/follow")
        async def poll(job_id: str) -> Response:
            job = self._find(job_id)
            position = codec.decode(await request.get_data(), Position)
            self.positions.append(position)
            job.acknowledge(position)
            with trio.move_on_after(position.wait):
                while True:
                    changed = job.changed
                    found = job.newer(Sent(position), position.stdout + self.window)
                    if any(frame.payload for frame in found) or job.record.finished:
                        break
                    await changed.wait()
            body = b"".join(frames.encode(frame) for frame in self.mangle(found))
            return Response(body, content_type="application/octet-stream")

        @app.websocket("/jobs/<job_id>/follow")
        async def follow(job_id: str) -> None:
            await self._accept(f"/jobs/{job_id}/follow", job_id in self.jobs)
            await self._serve(self.jobs[job_id])

        @app.websocket("/jobs/run")
        async def run() -> None:
            await self._accept("/jobs/run", True)
            while True:
                message = codec.decode(await websocket.receive(), dict[str, Any])
                if "submit" not in message:
                    continue
                if self.refuse_submit:
                    problem = {"status": self.refuse_submit.pop(0), "detail": "not now"}
                    await websocket.send(codec.encode({"error": problem}).decode())
                    continue
                job = self._submit(msgspec.convert(message["submit"], SubmitRequest))
                first = Position(status=job.record.status, owner=True)
                await websocket.send(codec.encode({"job": job.record}).decode())
                if not await self._serve(job, first):
                    return

    async def _accept(self, path: str, known: bool) -> None:
        self.requests.append(f"WS {path}")
        if self.refuse_websocket is not None:
            abort(Response("no", status=self.refuse_websocket))
        refused = _verified("GET", path, b"", dict(websocket.headers))
        if refused is not None or not known:
            abort(401 if refused is not None else 404)
        await websocket.accept()

    async def _serve(self, job: Job, first: Position | None = None) -> bool:
        """Serve one job; returns whether the connection may be used for the next."""
        run = first is not None
        if first is None:
            first = codec.decode(await websocket.receive(), Position)
            self.positions.append(first)
            job.acknowledge(first)
            acks = [job.input_ack(number) for number in (0, frames.CONTROL)]
            await websocket.send(b"".join(map(frames.encode, acks)))
        limit = self.close_after.pop(0) if self.close_after else 1 << 30
        code = self.close_codes.pop(0) if self.close_codes else 1012
        sent = Sent(first, self.overlap)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read, job, run)
            while not job.all_sent(sent):
                changed = job.changed
                same = job.position.attempt == job.record.attempt
                acked = job.position.stdout if same else 0
                found = job.newer(sent, min(acked + self.window, limit))
                if found:
                    await websocket.send(b"".join(frames.encode(frame) for frame in self.mangle(found)))
                elif sent.offsets[Kind.STDOUT] >= limit:
                    await websocket.close(code, "going")
                    nursery.cancel_scope.cancel()
                    return False
                else:
                    await changed.wait()
            nursery.cancel_scope.cancel()
        if not run:
            await websocket.close(1000)
        return run

    async def _read(self, job: Job, run: bool) -> None:
        while True:
            message = await websocket.receive()
            if isinstance(message, bytes):
                acks = [job.take_input(frame) for frame in frames.decode_all(message)]
                await websocket.send(b"".join(map(frames.encode, acks)))
                continue
            position = codec.decode(message, RunPosition).position if run else codec.decode(message, Position)
            self.positions.append(position)
            job.acknowledge(position)


def _verified(method: str, path: str, body: bytes | str, headers: dict[str, str]) -> Response | None:
    try:
        claim = signature.read_claim({name.lower(): value for name, value in headers.items()})
        signature.require_fresh(claim, now=time.time(), drift=60)
        signature.verify(claim, KEY, method, path)
        signature.require_body(claim, body if isinstance(body, bytes) else body.encode())
    except signature.SignatureError as error:
        return _problem(401, str(error))
    return None


def _json(value: Any) -> Response:
    return Response(codec.encode(value), content_type="application/json")


def _problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    return Response(codec.encode({"detail": detail}), status=status, headers=headers)


def worker(worker_id: str = "w1", **changes: Any) -> WorkerRecord:
    found = WorkerRecord(
        worker_id=worker_id,
        status="online",
        capabilities=["libx264"],
        binaries=["ffmpeg", "ffprobe"],
        paths=["Movies"],
        registration_interval=10.0,
        slots=4,
        used_slots=1,
        version="0.1.0",
        transport="websocket",
        last_seen=TIME,
    )
    return msgspec.structs.replace(found, **changes)


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running(port: int = 0) -> AsyncIterator[Coordinator]:
    """A coordinator on a port, by default a free one; gone at the end."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    async with trio.open_nursery() as nursery:
        coordinator = Coordinator(nursery)
        config = Config()
        config.bind = [f"fd://{listener.fileno()}"]
        config.graceful_timeout = 0.1
        config.loglevel = "CRITICAL"
        config.websocket_max_message_size = 1 << 24
        stop = trio.Event()
        await nursery.start(_serve_app, coordinator.app, config, stop)
        coordinator.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.detach()
        yield coordinator
        stop.set()
        nursery.cancel_scope.cancel()


async def _serve_app(
    app: QuartTrio,
    config: Config,
    stop: trio.Event,
    task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED,
) -> None:
    await hypercorn.trio.serve(app, config, shutdown_trigger=stop.wait, task_status=task_status)
