"""What happens to a followed job, as its follower is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dffmpeg.wire.frames import Kind
from dffmpeg.wire.jobs import JobRecord

Stream = Literal[Kind.STDOUT, Kind.STDERR]
STREAMS: tuple[Stream, Stream] = (Kind.STDOUT, Kind.STDERR)


@dataclass(frozen=True, slots=True)
class Status:
    """The job's state, attempt or worker changed. The one with a finished record is the last event of all."""

    record: JobRecord


@dataclass(frozen=True, slots=True)
class Output:
    """The next bytes of a stream, exactly as the program wrote them, however they are cut."""

    stream: Stream
    data: bytes


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes of a stream that were not kept and are missing at this place; the job's owner never sees one."""

    stream: Stream
    missing: int


Event = Status | Output | Gap
