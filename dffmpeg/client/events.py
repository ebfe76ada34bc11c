"""What happens to a followed job, as its follower is told."""

from __future__ import annotations

from dataclasses import dataclass

from dffmpeg.wire.jobs import JobRecord

STDOUT, STDERR = 1, 2
STREAMS = (STDOUT, STDERR)
"""The outputs that every job has."""


def stream_name(number: int) -> str:
    """How an output is called, by its descriptor."""
    return {STDOUT: "stdout", STDERR: "stderr"}.get(number, f"descriptor {number}")


@dataclass(frozen=True, slots=True)
class Status:
    """The job's state, attempt or worker changed. The one with a finished record is the last event of all."""

    record: JobRecord


@dataclass(frozen=True, slots=True)
class Output:
    """The next bytes of a stream, exactly as the program wrote them, however they are cut.

    Attributes:
        stream: the program's file descriptor: 1 is stdout, 2 stderr.
    """

    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes of a stream that were not kept and are missing at this place; the job's owner never sees one."""

    stream: int
    missing: int


Event = Status | Output | Gap
