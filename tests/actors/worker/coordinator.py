"""A small coordinator for tests: real sockets and signatures, with the contract's rules for one worker."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import time
from typing import Any

import hypercorn.trio
import trio
from hypercorn.config import Config
from quart import Response, request, websocket
from quart_trio import QuartTrio

from dffmpeg.model.progress import Progress
from dffmpeg.wire import codec, frames, signature
from dffmpeg.wire.frames import Kind
from dffmpeg.wire.jobs import AttemptReport, Begun, FinishReport, OutputReply, StreamAck
from dffmpeg.wire.workers import (
    AttemptRef,
    DownlinkMessage,
    JobRequest,
    Messages,
    RegisterReply,
    RegisterRequest,
    VerifyRequest,
)

KEY = bytes(range(32))
WORKER = "worker-1"


@dataclass
class Stream:
    """What was received of a stream. `taken` is how far its reader is; None reads everything at once."""

    data: bytearray = field(default_factory=bytearray)
    base: int = 0
    eof: bool = False
    taken: int | None = None

    @property
    def received(self) -> int:
        return self.base + len(self.data)

    def take(self, frame: frames.Frame) -> None:
        if frame.floor > self.received:
            self.base, self.data = frame.floor, bytearray()
        if frame.offset <= self.received:
            self.data += frame.payload[self.received - frame.offset :]
            self.eof = self.eof or (frame.eof and frame.end == self.received)

    def ack(self) -> StreamAck:
        return StreamAck(
            received=self.received,
            acked=self.received if self.taken is None else min(self.taken, self.received),
        )


@dataclass
class Job:
    request: JobRequest
    status: str = "assigned"
    stdout: Stream = field(default_factory=Stream)
    stderr: Stream = field(default_factory=Stream)
    report: FinishReport | None = None
    reason: str | None = None
    heartbeats: int = 0
    substitutions: dict[str, str] = field(default_factory=dict)
    begun: list[Begun] = field(default_factory=list)
    accepted: bool = False
    progress: list[Progress] = field(default_factory=list)
    largest_body: int = 0


class Problem(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class FakeCoordinator:
    """The state, and the knobs that a test turns."""

    def __init__(self, transport: str = "websocket", lease: float = 60.0) -> None:
        self.transport = transport
        self.lease = lease
        self.jobs: dict[str, Job] = {}
        self.online = False
        self.draining = False
        self.deregistered = False
        self.abilities_digest: str | None = None
        self.registrations: list[RegisterRequest] = []
        self.cancel: list[AttemptRef] = []
        self.stop: list[AttemptRef] = []
        self.requests: list[str] = []
        self.outage: tuple[int, str] | None = None
        self.silent = False
        self.connections = 0
        self.url = ""
        self._messages: list[DownlinkMessage] = []
        self._changed = trio.Event()

    # For tests

    def add(self, job_id: str, binary: str = "sh", *arguments: str, hint: bool = True, **more: Any) -> Job:
        """Assign a job; with `hint` the worker is told at once, else at its next registration."""
        given: dict[str, Any] = {
            "attempt": 1,
            "arguments": list(arguments),
            "paths": [],
            "working_directory": None,
            "heartbeat_interval": 60.0,
        } | more
        job = self.jobs[job_id] = Job(JobRequest(job_id=job_id, binary_name=binary, **given))
        if hint:
            self.send("job_request", codec.to_builtins(job.request), job_id)
        return job

    def send(self, kind: Any, payload: dict[str, Any], job_id: str | None = None) -> None:
        self._messages.append(
            DownlinkMessage(
                message_id=f"{len(self._messages):08}",
                recipient_id=WORKER,
                timestamp="2026-01-01T00:00:00+00:00",
                message_type=kind,
                payload=payload,
                job_id=job_id,
            )
        )
        self.note()

    def note(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition on the state; looked at after every change."""
        with trio.fail_after(60):
            while not condition():
                await self._changed.wait()

    async def finished(self, job: Job) -> FinishReport:
        await self.until(lambda: job.report is not None)
        assert job.report is not None
        return job.report

    # The routes' rules

    def register(self, body: bytes) -> RegisterReply:
        request = codec.decode(body, RegisterRequest)
        self.registrations.append(request)
        self.draining = request.status == "draining"
        if request.abilities:
            self.abilities_digest = request.abilities_digest
        running = set(request.running or ())
        if not self.online:
            self.send("verify_registration", {"registration_token": "token"})
        path = f"/worker/{WORKER}/downlink" if self.transport == "websocket" else "/poll/worker"
        return RegisterReply(
            transport=self.transport,
            transport_metadata={"path": path},
            status="online" if self.online else "registering",
            lease=self.lease,
            assigned=[
                job.request
                for job in self.jobs.values()
                if job.status == "assigned" and _ref(job) not in running
            ],
            cancel=self.cancel,
            stop=self.stop,
            abilities_digest=self.abilities_digest,
        )

    def _current(self, job_id: str, attempt: int | None) -> Job:
        job = self.jobs.get(job_id)
        if job is None:
            raise Problem(404, "no such job")
        if attempt != job.request.attempt or job.status in ("pending", "lost"):
            raise Problem(409, "this attempt is not current")
        return job

    def accept(self, job_id: str, body: bytes) -> dict[str, str]:
        report = codec.decode(body, AttemptReport)
        job = self._current(job_id, report.attempt)
        if job.status != "assigned":
            raise Problem(409, f"the job is {job.status}")
        job.status, job.accepted = "running", True
        job.substitutions = report.substitutions
        return {"status": "ok"}

    def reject(self, job_id: str, body: bytes) -> dict[str, str]:
        report = codec.decode(body, AttemptReport)
        job = self._current(job_id, report.attempt)
        job.status, job.reason = "pending", report.reason
        return {"status": "ok"}

    def heartbeat(self, job_id: str, body: bytes) -> dict[str, str]:
        report = codec.decode(body, AttemptReport)
        job = self._current(job_id, report.attempt)
        job.heartbeats += 1
        if report.progress is not None:
            job.progress.append(report.progress)
        job.begun = report.begun or job.begun
        return {"status": "ok"}

    def output(self, job_id: str, body: bytes) -> OutputReply:
        job: Job | None = None
        for frame in frames.decode_all(body):
            job = self._current(job_id, frame.attempt)
            stream = job.stdout if frame.kind is Kind.STDOUT else job.stderr
            stream.take(frame)
        assert job is not None, "an output request without a frame"
        job.largest_body = max(job.largest_body, len(body))
        return OutputReply(stdout=job.stdout.ack(), stderr=job.stderr.ack())

    def finish(self, job_id: str, body: bytes) -> dict[str, str]:
        report = codec.decode(body, FinishReport)
        job = self._current(job_id, report.attempt)
        for length, stream in ((report.stdout, job.stdout), (report.stderr, job.stderr)):
            if length is not None and stream.received != length:
                raise Problem(409, f"output missing: {stream.received} of {length} bytes")
        job.report, job.status = report, report.status
        return {"status": "ok"}

    async def dispatch(self, path: str, body: bytes) -> object:
        if path == "/worker/register":
            return self.register(body)
        if path == "/worker/deregister":
            self.deregistered = True
            return {"status": "ok"}
        if path == f"/worker/{WORKER}/verify":
            if codec.decode(body, VerifyRequest).registration_token != "token":
                raise Problem(403, "not the token")
            self.online = True
            return {"status": "ok"}
        _, _, job_id, action = path.split("/")
        route: dict[str, Callable[[str, bytes], object]] = {
            "accept": self.accept,
            "reject": self.reject,
            "worker_heartbeat": self.heartbeat,
            "output": self.output,
            "status": self.finish,
        }
        if action not in route:
            # As a coordinator answers that is too old to know it.
            raise Problem(404, f"there is no {action} here")
        return route[action](job_id, body)

    # Serving

    def app(self) -> QuartTrio:
        app = QuartTrio(__name__)
        app.config["MAX_CONTENT_LENGTH"] = 8 * 1024 * 1024

        async def answer(work: Callable[[bytes], Awaitable[object]]) -> Response:
            body = await request.get_data()
            assert isinstance(body, bytes)
            self.requests.append(request.path)
            try:
                if self.outage is not None:
                    raise Problem(*self.outage)
                _check(request.method, request.full_path.rstrip("?"), dict(request.headers), body)
                result = codec.encode(await work(body))
                status = 200
            except Problem as problem:
                result, status = codec.encode({"detail": str(problem)}), problem.status
            self.note()
            return Response(result, status=status, content_type="application/json")

        @app.route("/<path:path>", methods=["POST"])
        async def post(path: str) -> Response:
            return await answer(lambda body: self.dispatch("/" + path, body))

        @app.route("/poll/worker", methods=["GET"])
        async def poll() -> Response:
            return await answer(lambda _: self.poll(request.args))

        @app.websocket(f"/worker/{WORKER}/downlink")
        async def downlink() -> None:
            _check("GET", websocket.path, dict(websocket.headers), b"")
            self.connections += 1
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._push)
                while await websocket.receive() == "ping":
                    await websocket.send("pong")

        return app

    async def _push(self) -> None:
        sent = 0
        while True:
            changed = self._changed
            while sent < len(self._messages):
                await websocket.send(codec.encode(self._messages[sent]).decode())
                sent += 1
            await changed.wait()

    async def poll(self, arguments: Any) -> Messages:
        last = int(arguments.get("last_message_id", "-1"))
        with trio.move_on_after(float(arguments["wait"])):
            while len(self._messages) <= last + 1:
                await self._changed.wait()
        return Messages(messages=self._messages[last + 1 :])

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncIterator[None]:
        """Listen on a port of this machine; leaving closes every connection."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = Config()
        config.bind = [f"fd://{listener.detach()}"]
        config.graceful_timeout = 0.2
        config.shutdown_timeout = 1.0
        config.errorlog = None
        ending = trio.Event()
        async with trio.open_nursery() as nursery:
            await nursery.start(_run, self.app(), config, ending)
            try:
                yield
            finally:
                ending.set()
                nursery.cancel_scope.cancel()


async def _run(
    app: QuartTrio,
    config: Config,
    ending: trio.Event,
    task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED,
) -> None:
    await hypercorn.trio.serve(app, config, shutdown_trigger=ending.wait, task_status=task_status)


def _check(method: str, path: str, headers: dict[str, str], body: bytes) -> None:
    try:
        claim = signature.read_claim({name.lower(): value for name, value in headers.items()})
        assert claim.client_id == WORKER
        signature.require_fresh(claim, now=time(), drift=30)
        signature.verify(claim, KEY, method, path)
        signature.require_body(claim, body)
    except signature.SignatureError as error:
        raise Problem(401, str(error)) from None


def _ref(job: Job) -> AttemptRef:
    return AttemptRef(job_id=job.request.job_id, attempt=job.request.attempt)
