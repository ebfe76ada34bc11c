"""Messages that wait for a broker: as many as there is room for, the newest before all."""

from __future__ import annotations

from collections import deque

import trio

from dffmpeg.transports.broker import Post


class Outbox:
    """A bounded queue. What finds no room pushes out the oldest: newer hints say more, and
    what was dropped is reconciled.

    Attributes:
        dropped: how many were.
    """

    COUNT = 10_000
    BYTES = 32 * 1024 * 1024
    TRIES = 3
    """A message with which the connection broke so often may be why."""

    def __init__(self) -> None:
        self.dropped = 0
        self._posts: deque[Post] = deque()
        self._size = 0
        self._filled = trio.Event()

    def __len__(self) -> int:
        return len(self._posts)

    def put(self, post: Post) -> None:
        """Add a message at the end."""
        self._posts.append(post)
        self._size += len(post.body)
        while len(self._posts) > self.COUNT or self._size > self.BYTES:
            self._size -= len(self._posts.popleft().body)
            self.dropped += 1
        self._filled.set()

    async def take(self, count: int) -> list[Post]:
        """The oldest ones, at most so many; waits for one."""
        while not self._posts:
            self._filled = trio.Event()
            await self._filled.wait()
        taken = [self._posts.popleft() for _ in range(min(count, len(self._posts)))]
        self._size -= sum(len(post.body) for post in taken)
        return taken

    def put_back(self, posts: list[Post]) -> None:
        """Messages that were taken and not confirmed: they go first, unless they failed too often."""
        for post in reversed(posts):
            post.tries += 1
            if post.tries < self.TRIES and len(self._posts) < self.COUNT:
                self._posts.appendleft(post)
                self._size += len(post.body)
            else:
                self.dropped += 1
        if self._posts:
            self._filled.set()
