"""How often the local program ran instead, as far as no coordinator was told of it.

A file for each coordinator, shared by all processes of a user on a machine: it is as long as the number.
So nothing in it can be torn, and to see whether there is something to tell is one stat.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trio

from dffmpeg.client import fallback
from dffmpeg.wire.jobs import MOST_FALLBACKS

LOCK_SECONDS = 0.5
"""How long another process may have the file; it needs microseconds."""


class Untold:
    """The number for one coordinator.

    Args:
        coordinator_url: as the configuration has it.

    Attributes:
        file: where it is kept.
    """

    def __init__(self, coordinator_url: str) -> None:
        name = hashlib.sha256(coordinator_url.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self.file = fallback.state_directory() / f"untold-{name}"

    def waiting(self) -> bool:
        """Whether there is something to tell."""
        try:
            return self.file.stat().st_size > 0
        except OSError:
            return False

    def add(self, times: int) -> None:
        """Count so many more; above `MOST_FALLBACKS` nothing is counted any more.

        Raises:
            OSError: it cannot be written, or another process keeps it locked.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._locked(os.O_CREAT) as descriptor:
            os.ftruncate(descriptor, min(os.fstat(descriptor).st_size + times, MOST_FALLBACKS))

    def claim(self) -> int:
        """Take all of it, to tell it: no other process is given the same; 0 where there is nothing.

        Raises:
            OSError: it cannot be written, or another process keeps it locked.
        """
        if not self.waiting():
            return 0
        with self._locked() as descriptor:
            found = min(os.fstat(descriptor).st_size, MOST_FALLBACKS)
            os.ftruncate(descriptor, 0)
        return found

    @contextmanager
    def _locked(self, flags: int = 0) -> Iterator[int]:
        descriptor = os.open(self.file, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
        try:
            give_up = time.monotonic() + LOCK_SECONDS
            while not _lock(descriptor):
                if time.monotonic() > give_up:
                    raise TimeoutError(errno.ETIMEDOUT, "another process keeps it locked", str(self.file))
                time.sleep(0.01)
            yield descriptor
        finally:
            os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Telling:
    """One call's part in it. For one use.

    What cannot be read or written costs the call nothing: it is told another time, or not at all.
    """

    def __init__(self, untold: Untold) -> None:
        self._untold = untold
        self._claimed: int | None = None

    async def claim(self) -> int:
        """What the submission is to tell. A repeated one tells the same, as it has to be the same."""
        if self._claimed is None:
            self._claimed = 0
            if self._untold.waiting():
                with suppress(OSError):
                    # Not to be abandoned: what was claimed would be lost.
                    self._claimed = await trio.to_thread.run_sync(self._untold.claim)
        return self._claimed

    async def give_back(self) -> None:
        """The submission was not accepted, or nobody said so: another one tells it."""
        claimed, self._claimed = self._claimed, None
        await self._add(claimed or 0)

    async def fell_back(self) -> None:
        """The local program is going to run instead."""
        await self._add(1)

    async def _add(self, times: int) -> None:
        if times:
            with suppress(OSError), trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._untold.add, times)
