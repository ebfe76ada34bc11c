"""What is kept of jobs' output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from dffmpeg.model.streams import Retention


@dataclass(frozen=True, slots=True)
class StreamSlice:
    """Contiguous bytes of a stream.

    Attributes:
        offset: where they begin: later than asked for where the middle was dropped.
        end: the end of all that was ever stored of the stream.
    """

    offset: int
    data: bytes
    end: int


@dataclass(frozen=True, slots=True)
class StreamPiece:
    """A piece of an attempt's output, to be stored.

    Attributes:
        retention: how much of the stream is kept.
    """

    job_id: str
    attempt: int
    stream: int
    offset: int
    data: bytes
    retention: Retention

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.offset + len(self.data)


class StreamRepository(ABC):
    """What the rest knows of how streams are stored: outputs, by the program's descriptor. Offsets and
    sizes are bytes."""

    @abstractmethod
    async def append(self, piece: StreamPiece) -> None:
        """Store a piece; what is there already is not stored again. Drops what the retention lets go."""

    @abstractmethod
    async def extent(self, job_id: str, attempt: int, stream: int) -> int:
        """Where the stream ends so far."""

    @abstractmethod
    async def read(self, job_id: str, attempt: int, stream: int, offset: int, limit: int) -> StreamSlice:
        """What is kept from an offset on, up to the next gap, at most `limit` bytes."""

    @abstractmethod
    async def delete(self, job_id: str) -> None:
        """Forget all output of a job, a batch at a time."""

    @abstractmethod
    async def kept(self, after: str, limit: int) -> Sequence[str]:
        """Jobs of which output is kept, by id, behind this one."""
