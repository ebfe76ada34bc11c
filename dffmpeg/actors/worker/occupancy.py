"""Whether something is under way, such as jobs, for what is only to be done while it is not."""

from __future__ import annotations

import trio


class Occupancy:
    """How much of it is under way. One says it; anybody may wait for it."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = trio.Event()

    @property
    def busy(self) -> bool:
        return self._count > 0

    def set(self, count: int) -> None:
        """Say how much is under way now."""
        if count != self._count:
            self._count = count
            self._changed.set()
            self._changed = trio.Event()

    async def until_busy(self) -> None:
        """Return when something is under way."""
        while not self.busy:
            await self._changed.wait()

    async def until_idle(self, seconds: float) -> None:
        """Return when nothing was under way for so long."""
        while True:
            while self.busy:
                await self._changed.wait()
            with trio.move_on_after(seconds):
                await self.until_busy()
                continue
            return
