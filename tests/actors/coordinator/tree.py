"""A coordinator without its web server: its real tree on a real database, reached by its operations."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio

from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.actors.coordinator.services import Services
from dffmpeg.actors.coordinator.tree_topic import TreeTopic
from dffmpeg.actors.runtime import Actor
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.model.identities import Identity, Role
from dffmpeg.store import StoreSettings
from dffmpeg.supervisors import TreeHandle, open_tree
from dffmpeg.supervisors.coordinator import coordinator_services, coordinator_tree
from dffmpeg.transports.plugins import server_downlinks
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import AttemptReport, FinishReport, JobRecord, Position, SubmitRequest
from dffmpeg.wire.workers import AttemptRef, JobRequest, RegisterReply, RegisterRequest

ALICE = Identity(client_id="alice", role=Role.CLIENT, key=b"a" * 32)
BOB = Identity(client_id="bob", role=Role.CLIENT, key=b"b" * 32)
ADMIN = Identity(client_id="root", role=Role.ADMIN, key=b"r" * 32)

PATIENCE = 60.0
"""Seconds after which a test gives up on something that does not happen."""


class NoWeb(Actor[None]):
    """Stands where the web server is in the tree."""

    async def run(self) -> None:
        self.context.ready()
        await self.context.stopping.wait()


class Coordinator:
    def __init__(self, services: Services, handle: TreeHandle) -> None:
        self.services = services
        self.operations = Operations(services)
        self.handle = handle

    async def submit(self, who: Identity = ALICE, **fields: Any) -> str:
        request = SubmitRequest(**{"binary_name": "ffmpeg", **fields})
        return (await self.operations.submit(who, request)).job_id

    async def until(self, job_id: str, *wanted: str, who: Identity = ADMIN) -> JobRecord:
        """Wait for the job to be in one of these states."""
        cursor = Position(wait=PATIENCE)
        with trio.fail_after(PATIENCE):
            while True:
                for frame in await self.operations.follow(who, job_id, cursor):
                    if frame.kind is Kind.STATUS:
                        record = msgspec.json.decode(frame.payload, type=JobRecord)
                        if record.status in wanted:
                            return record
                        cursor = Position(attempt=frame.attempt, status=record.status, wait=PATIENCE)
                    else:
                        cursor = advanced(cursor, frame)


class FakeWorker:
    """Speaks as a worker does, by hand."""

    def __init__(self, coordinator: Coordinator, name: str) -> None:
        self.who = Identity(client_id=name, role=Role.WORKER, key=b"w" * 32)
        self.name = name
        self._operations = coordinator.operations
        self.running: list[AttemptRef] = []
        self.requests: trio.MemoryReceiveChannel[JobRequest]
        self._send, self.requests = trio.open_memory_channel[JobRequest](1000)
        self._send_status, self.statuses = trio.open_memory_channel[dict[str, Any]](1000)

    async def register(self, **fields: Any) -> RegisterReply:
        defaults: dict[str, Any] = {
            "worker_id": self.name,
            "binaries": ["ffmpeg", "ffprobe"],
            "supported_transports": ["websocket"],
            "slots": 2,
            "running": self.running,
        }
        return await self._operations.register(self.who, RegisterRequest(**{**defaults, **fields}))

    @asynccontextmanager
    async def online(self, **fields: Any) -> AsyncIterator[None]:
        """Registered, connected and verified inside the block; disconnected after it."""
        reply = await self.register(**fields)
        verified = trio.Event()
        if reply.status == "online":
            # The database remembers it from before.
            verified.set()

        async def listen(task_status: trio.TaskStatus[None]) -> None:
            async with self._operations.downlink(self.who, self.name) as messages:
                task_status.started()
                async for message in messages:
                    if message.message_type == "verify_registration":
                        token = message.payload["registration_token"]
                        await self._operations.verify(self.who, self.name, token)
                        verified.set()
                    elif message.message_type == "job_request":
                        self._send.send_nowait(msgspec.convert(message.payload, JobRequest))
                    elif message.message_type == "job_status":
                        self._send_status.send_nowait(message.payload)

        async with trio.open_nursery() as nursery:
            await nursery.start(listen)
            with trio.fail_after(PATIENCE):
                await verified.wait()
            yield
            nursery.cancel_scope.cancel()

    async def take(self) -> JobRequest:
        """Receive an offer and accept it."""
        with trio.fail_after(PATIENCE):
            request = await self.requests.receive()
        report = AttemptReport(attempt=request.attempt)
        await self._operations.accept(self.who, request.job_id, report)
        self.running.append(AttemptRef(job_id=request.job_id, attempt=request.attempt))
        return request

    async def finish(self, request: JobRequest, status: str = "completed", **fields: Any) -> None:
        report = FinishReport(status=status, attempt=request.attempt, **{"exit_code": 0, **fields})  # type: ignore[arg-type]
        await self._operations.finish(self.who, request.job_id, report)


def output(request_attempt: int, kind: Kind, offset: int, data: bytes, **fields: object) -> Frame:
    return Frame(kind, request_attempt, offset, data, **fields)  # type: ignore[arg-type]


def advanced(cursor: Position, frame: Frame) -> Position:
    """The cursor behind a frame of output."""
    if cursor.attempt != frame.attempt:
        cursor = Position(attempt=frame.attempt, status=cursor.status, wait=cursor.wait)
    return msgspec.structs.replace(cursor, **{"stdout" if frame.kind is Kind.STDOUT else "stderr": frame.end})


def in_folder(folder: Path) -> StoreSettings:
    """A database in a file."""
    return StoreSettings(engine_defaults={"sqlite": {"path": str(folder / "coordinator.db")}})


@asynccontextmanager
async def open_coordinator(
    place: Path | StoreSettings,
    config: CoordinatorConfig | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Coordinator]:
    """Start as a coordinator that comes up does; stop at the end.

    Args:
        place: the folder of its database, or a database.
        clock: what the scheduler takes for the time.
    """
    config = config or CoordinatorConfig()
    settings = place if isinstance(place, StoreSettings) else in_folder(place)
    services = coordinator_services(
        config,
        lambda opened: server_downlinks(config.transports, lambda: opened.current.messages, opened.keys_of),
        clock,
    )
    async with open_tree(coordinator_tree(services, settings, NoWeb), name="coordinator") as handle:
        services.events.add(TreeTopic(handle))
        yield Coordinator(services, handle)
