"""The stretch of one stream that a coordinator holds between the worker and those who read.

A pure byte log: it begins somewhere, grows at its end, and is released at its
beginning. What it never does is lose a byte silently: a piece that does not
join on is refused, unless its sender says that it holds nothing older.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

SMALL = 16 * 1024
"""Bytes up to which chunks are put together: many tiny ones would take many times their size."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a stream, and whether the stream ends behind them."""

    offset: int
    data: bytes
    eof: bool

    @property
    def end(self) -> int:
        return self.offset + len(self.data)


class Relay:
    """One stream of one attempt.

    Invariant: the chunks are contiguous from `base` to `end`; `base` ≤ `end`.

    Args:
        start: the offset at which it begins, bytes: what is before was dealt with already.
    """

    __slots__ = ("_chunks", "_offsets", "base", "end", "eof")

    def __init__(self, start: int = 0) -> None:
        self.base = start
        self.end = start
        self.eof = False
        self._chunks: list[bytes] = []
        self._offsets: list[int] = []

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return self.end - self.base

    def offer(self, offset: int, data: bytes, *, floor: int, eof: bool) -> bytes | None:
        """Take a piece from the sender.

        Args:
            offset: where it begins.
            floor: the oldest offset that the sender still holds.
            eof: the stream ends behind it.

        Returns:
            What of it was new (perhaps nothing), or None where it leaves a gap
            that the sender can fill: it has to go back to `end`.
        """
        if offset > self.end:
            if floor < offset:
                return None
            # The sender holds nothing older, so whatever is missing was taken by its
            # reader before we lost our memory of it.
            self.base = self.end = offset
            self._chunks.clear()
            self._offsets.clear()
        fresh = data[self.end - offset :] if offset < self.end else data
        if fresh:
            if self._chunks and len(self._chunks[-1]) + len(fresh) <= SMALL:
                self._chunks[-1] += fresh
            else:
                self._offsets.append(self.end)
                self._chunks.append(fresh)
            self.end += len(fresh)
        if eof and offset + len(data) == self.end:
            self.eof = True
        return fresh

    def read(self, offset: int, limit: int) -> Piece:
        """What is held from an offset on.

        Args:
            offset: where to begin; what is no longer held is skipped.
            limit: bytes at most.
        """
        begin = min(max(offset, self.base), self.end)
        parts: list[bytes] = []
        size = 0
        index = max(0, bisect_right(self._offsets, begin) - 1)
        while index < len(self._chunks) and size < limit:
            skip = max(0, begin - self._offsets[index])
            part = self._chunks[index][skip : skip + limit - size]
            parts.append(part)
            size += len(part)
            index += 1
        # One alone is not copied.
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        return Piece(begin, data, self.eof and begin + size == self.end)

    def release(self, upto: int) -> None:
        """Forget whole chunks before an offset."""
        count = bisect_right(self._offsets, min(upto, self.end))
        # The chunk in which the offset lies is kept, unless all of it is before.
        if count and not (count == len(self._chunks) and upto >= self.end):
            count -= 1
        if count:
            del self._chunks[:count]
            del self._offsets[:count]
            self.base = self._offsets[0] if self._offsets else self.end
