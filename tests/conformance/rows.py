"""Rows for the store's tests: of jobs, workers, messages and identities."""

from dffmpeg.model import transitions
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.jobs import Job, JobState
from dffmpeg.model.messages import Message
from dffmpeg.model.workers import Worker, WorkerState
from dffmpeg.store import Store

S = JobState


def job(name: str, created: float = 100.0, **changes: object) -> Job:
    values: dict[str, object] = {
        "job_id": name,
        "requester_id": "alice",
        "binary_name": "ffmpeg",
        "arguments": (b"-i", b"\xff\n'\"", b""),
        "paths": ("Movies",),
        "working_directory": b"$Movies/\xe9",
        "client_paths": {"Movies": b"/mnt/\xff"},
        "transport": "websocket",
        "transport_metadata": {"path": "/x"},
        "supported_transports": ("websocket",),
        "created_at": created,
        "last_update": created,
    }
    return Job(**{**values, **changes})  # type: ignore[arg-type]


async def assigned(store: Store, name: str = "J", worker: str = "w1") -> Job:
    await store.jobs.add(job(name))
    assert await store.jobs.apply(transitions.assign(await load(store, name), worker, 110.0))
    return await load(store, name)


async def load(store: Store, name: str) -> Job:
    found = await store.jobs.get(name)
    assert found is not None
    return found


def worker(name: str, state: WorkerState = WorkerState.REGISTERING, **changes: object) -> Worker:
    values: dict[str, object] = {
        "worker_id": name,
        "state": state,
        "binaries": ("ffmpeg",),
        "paths": ("Movies",),
        "slots": 3,
        "transport_metadata": {"path": "/x"},
        "registration_token": "token",
        "last_seen": 100.0,
        "registered_at": 90.0,
    }
    return Worker(**{**values, **changes})  # type: ignore[arg-type]


def message(name: str, recipient: str = "w", **changes: object) -> Message:
    values: dict[str, object] = {
        "message_id": name,
        "recipient_id": recipient,
        "timestamp": 100.0,
        "message_type": "job_status",
        "payload": {"status": "running", "n": 1},
    }
    return Message(**{**values, **changes})  # type: ignore[arg-type]


def identity(name: str = "alice", **changes: object) -> Identity:
    values: dict[str, object] = {
        "client_id": name,
        "role": Role.CLIENT,
        "key": bytes(range(32)),
        "created_at": 1.0,
    }
    return Identity(**{**values, **changes})  # type: ignore[arg-type]
