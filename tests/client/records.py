"""Job records for tests."""

from __future__ import annotations

from typing import Any

import msgspec

from dffmpeg.wire.jobs import JobRecord

TIME = "2026-01-31T12:00:00.000000+00:00"
JOB = "01HZZZZZZZZZZZZZZZZZZZZZZZ"


def record(status: str = "running", attempt: int = 1, **changes: Any) -> JobRecord:
    """A job of ffmpeg, with some fields changed."""
    job = JobRecord(
        job_id=JOB,
        requester_id="laptop",
        binary_name="ffmpeg",
        arguments=["-version"],
        paths=[],
        working_directory=None,
        status=status,
        attempt=attempt,
        max_attempts=3,
        exit_code=None,
        worker_id="w1" if attempt else None,
        created_at=TIME,
        last_update=TIME,
        worker_last_seen=None,
        client_last_seen=None,
        heartbeat_interval=5.0,
        monitor=True,
        transport="websocket",
        transport_metadata={},
    )
    return msgspec.structs.replace(job, **changes)
