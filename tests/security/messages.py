"""What is said on WebSockets by whom, and what comes of it: for the tests of every message."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection
from ulid import ULID

from dffmpeg.actors.coordinator.operations import Conflict
from dffmpeg.model.jobs import JobState
from dffmpeg.web.access import Refusal
from dffmpeg.wire import codec, frames, link
from dffmpeg.wire.frames import CONTROL, Frame, Kind
from dffmpeg.wire.jobs import AttemptReport, Position
from tests.actors.coordinator.tree import PATIENCE, FakeWorker
from tests.security.test_cells import Ground
from tests.web.conftest import code_of, open_websocket, sign
from tests.web.live import identity

BARRIER = "x" * 70_000
"""Longer than a text may be: who hears of that has read all that came before it."""

REPORTS: Mapping[str, Mapping[str, object]] = {
    "accept": {},
    "reject": {"reason": "forged", "fault": True},
    "heartbeat": {"begun": [{"path": "forged", "inode": 1}], "progress": {"fraction": 0.5}},
    "finish": {"status": "completed", "exit_code": 0},
}
"""By a call's name, the body that it has besides the attempt."""

GENUINE, GIVEN = b"genuine", b"given"
"""What a running job has written, and what was written into it."""


@dataclass(eq=False)
class Line:
    """One end of a WebSocket, which hears all the time.

    Attributes:
        code: with which the other end closed it; None while it is open.
    """

    connection: WebSocketConnection
    heard: list[str | bytes] = field(default_factory=list)
    code: int | None = None

    async def hear(self) -> None:
        try:
            while True:
                self.heard.append(await self.connection.get_message())
        except ConnectionClosed as closed:
            self.code = code_of(closed)

    async def say(self, *messages: str | bytes) -> None:
        for message in messages:
            await self.connection.send_message(message)

    def answers(self, key: str) -> list[object]:
        """What was said of this in texts."""
        texts = [json.loads(one) for one in self.heard if isinstance(one, str) and one.startswith("{")]
        return [text[key] for text in texts if key in text]

    async def closed(self) -> int:
        """The code with which it is closed."""
        while self.code is None:
            await trio.lowlevel.checkpoint()
        return self.code

    def refusal(self) -> Refusal | None:
        """What was refused on it so far."""
        if self.code is not None:
            assert self.code == 1003, self.code
            return Refusal.CLOSED
        replies = [json.loads(one) for one in self.heard if isinstance(one, str) and '"reply"' in one]
        if replies and replies[-1]["status"] != 200:
            assert replies[-1]["status"] == 409, replies[-1]
            return Refusal.REPLY
        if self.answers("fenced"):
            return Refusal.FENCED
        errors = [json.dumps(one) for one in self.answers("error")]
        if errors:
            assert '"status": 409' in errors[-1], errors
            return Refusal.ERROR
        return None


@asynccontextmanager
async def spoken(site: Ground, target: str, headers: dict[str, str]) -> AsyncIterator[Line]:
    """A WebSocket that is open; raises ConnectionRejected where it is refused."""
    stream = await trio.open_tcp_stream("127.0.0.1", site.running.server.port)
    async with stream, open_websocket(stream, target, headers) as connection, trio.open_nursery() as nursery:
        line = Line(connection)
        nursery.start_soon(line.hear)
        with trio.fail_after(10 * PATIENCE):
            yield line
        nursery.cancel_scope.cancel()


def headers_of(who: str, target: str) -> dict[str, str]:
    """A signature; of a visitor nothing, and of nobody that it comes from elsewhere."""
    if who == "visitor":
        return {}
    return {"X-Forwarded-For": "192.0.2.1"} if who == "nobody" else sign(who, "GET", target)


# Jobs


async def new_job(site: Ground, owner: str, worker: FakeWorker, state: str) -> str:
    """A job with a caller at a worker, `assigned` or `running`; or `pending`, which no worker can have."""
    path = "Nowhere" if state == "pending" else "Mine" if worker is site.mine else "Others"
    coordinator = site.running.coordinator
    job_id = await coordinator.submit(
        identity(owner), paths=[path], heartbeat_interval=600.0, monitor=True, impossible="wait"
    )
    if state != "pending":
        await coordinator.until(job_id, "assigned")
    if state == "running":
        await begin(site, job_id, owner, worker)
    return job_id


async def begin(site: Ground, job_id: str, owner: str, worker: FakeWorker) -> None:
    """Let an assigned job run, write, and be written into."""
    operations = site.running.coordinator.operations
    await operations.accept(worker.who, job_id, AttemptReport(attempt=1))
    await operations.output(worker.who, job_id, [Frame(Kind.STDOUT, 1, 0, GENUINE)])
    await operations.input(identity(owner), job_id, [written(1, 0, GIVEN)])


def written(attempt: int, offset: int, content: bytes) -> Frame:
    """A piece of the one input that every job has: by it a program is sent signals."""
    return Frame(Kind.INPUT, attempt, offset, content, descriptor=CONTROL)


async def truth(site: Ground, job_id: str) -> object:
    """All that is known of a job, in the store and by its actor, and what is held against workers."""
    coordinator = site.running.coordinator
    store, operations = coordinator.services.store, coordinator.operations
    job = await store.jobs.get(job_id)
    known: list[object] = [job, list(await store.jobs.attempts(job_id))]
    for name in ("worker", "worker2"):
        worker = await store.workers.get(name)
        assert worker is not None
        known.append((worker.strikes, worker.hold, worker.hold_reason))
    if job is not None and job.state is JobState.RUNNING:
        its = site.mine if job.worker_id == site.mine.name else site.others
        with suppress(Conflict):
            known += [
                await operations.input(identity(job.requester_id), job_id, []),
                await operations.output(its.who, job_id, []),
                await operations.follow(
                    identity("admin"), job_id, Position(attempt=1, status="running", progress=0)
                ),
            ]
    return known


# Messages


def message(route: str, name: str, job_id: str, attempt: int) -> list[str | bytes]:
    """A message about an attempt of a job, as it is said on a route."""
    position = {"attempt": attempt, "stdout": len(GENUINE), "owner": True}
    match name:
        case "submit":
            return [submission(job_id)]
        case "position":
            return [codec.encode({"position": position} if route.endswith("/run") else position).decode()]
        case "inputs":
            return [frames.encode(written(attempt, len(GIVEN), b"forged"))]
        case "ping":
            return ["ping"]
        case "outputs":
            return [link.pack(job_id, [Frame(Kind.STDOUT, attempt, len(GENUINE), b"forged")])]
        case "acknowledgements":
            return [link.pack(job_id, [frames.acknowledgement(CONTROL, attempt, len(GIVEN), len(GIVEN))])]
    body = {"attempt": attempt, **REPORTS[name]}
    return [codec.encode({"call": attempt, "route": name, "job_id": job_id, "body": body}).decode()]


def submission(job_id: str | None = None, path: str = "Mine") -> str:
    """A job with a caller, as it is submitted on /jobs/run."""
    given = {"binary_name": "ffmpeg", "monitor": True, "heartbeat_interval": 600.0, "paths": [path]}
    return codec.encode({"submit": {**given, "job_id": job_id or str(ULID())}}).decode()
