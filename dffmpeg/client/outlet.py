"""Between a connection and a sink: what arrived of one stream and is not yet written."""

from __future__ import annotations

from collections import deque

import trio

from dffmpeg.client.progress import Piece
from dffmpeg.wire.frames import MAX_PAYLOAD

LIMIT = 8 * 1024 * 1024
"""Bytes held for one stream; above the coordinator's default window, which is what really limits an owner."""


class Outlet:
    """A bounded queue of pieces, joined where they can be written as one. One task puts, one takes."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._pieces: deque[Piece] = deque()
        self._held = 0
        self._writing = False
        self._closed = False
        self._changed = trio.Event()

    @property
    def empty(self) -> bool:
        """Whether everything that was put was also written."""
        return not self._pieces and not self._writing

    async def room(self) -> None:
        """Wait until there is room for a piece."""
        while self._held >= self._limit:
            await self._changed.wait()

    def put(self, piece: Piece) -> None:
        """Add a piece; `room` was waited for.

        Not async, because a piece that was taken for delivered must not get lost
        when the connection that brought it ends at just this moment.
        """
        self._pieces.append(piece)
        self._held += len(piece.data)
        self._wake()

    def close(self) -> None:
        """Nothing more comes."""
        self._closed = True
        self._wake()

    async def take(self) -> Piece | None:
        """The next bytes, and the sign that those of the call before are written; None at the end."""
        self._writing = False
        self._wake()
        while not self._pieces:
            if self._closed:
                return None
            await self._changed.wait()
        self._writing = True
        piece = self._joined()
        self._held -= len(piece.data)
        self._wake()
        return piece

    async def drained(self) -> None:
        """Wait until everything that was put is written."""
        while not self.empty:
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _joined(self) -> Piece:
        first = last = self._pieces.popleft()
        parts = [first.data]
        size = len(first.data)
        while self._pieces:
            following = self._pieces[0]
            size += len(following.data)
            if following.attempt != first.attempt or following.missing or size > MAX_PAYLOAD:
                break
            last = self._pieces.popleft()
            parts.append(last.data)
        if last is first:
            return first
        return Piece(first.stream, first.attempt, b"".join(parts), last.end, first.missing)
