"""Byte streams of a job, and how much of each is kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Stream(IntEnum):
    """The three that every program has, by descriptor; a job may have further ones."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2


@dataclass(frozen=True, slots=True)
class Retention:
    """Keep the beginning and the end of a byte log, drop the middle.

    Args:
        head, tail: bytes.
    """

    head: int
    tail: int

    def dropped(self, length: int) -> tuple[int, int] | None:
        """The range [begin, end) of a log of this length that need not be kept, or None."""
        begin, end = self.head, length - self.tail
        return (begin, end) if end > begin else None
