"""Which mapped paths are really there.

A network mount can be gone, or be there and never answer: each directory is
looked at in a thread of its own that may be left behind, at most one a
directory, so that a dead mount holds up nothing else.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass

import trio

from dffmpeg.actors.registration_messages import Renew
from dffmpeg.actors.runtime import Actor, ActorRef, Request

logger = logging.getLogger("dffmpeg.worker.mounts")

CHECK_SECONDS = 2.0
LOOK_SECONDS = 10.0


class PresentPaths(Request[Mapping[str, bytes]]):
    """Variable to directory, of those that were there when last looked at."""


@dataclass(frozen=True, slots=True)
class Look:
    """The time has come to look again."""


class _Directory:
    """One mapped directory: where it is, and what was seen of it."""

    def __init__(self, name: str, path: bytes) -> None:
        self.name = name
        self.path = path
        self.present = False
        self._was_mount = False
        self._looking = False
        self._thread = trio.CapacityLimiter(1)

    async def look(self, seconds: float) -> None:
        """Look whether it is there; one that does not answer in `seconds` is not."""
        if self._looking:
            # The last look still hangs in the kernel; another would hang beside it.
            self.present = False
            return
        self._looking = True
        found = False
        with trio.move_on_after(seconds):
            found = await trio.to_thread.run_sync(self._see, abandon_on_cancel=True, limiter=self._thread)
        self.present = found

    def _see(self) -> bool:
        try:
            with os.scandir(self.path):
                mount = os.path.ismount(self.path)
        except OSError:
            return False
        finally:
            self._looking = False
        # An empty mount point is a directory too, but not the one that was meant.
        gone = self._was_mount and not mount
        self._was_mount = self._was_mount or mount
        return not gone


class MountsActor(Actor[PresentPaths | Look]):
    """Looks at every mapped directory now and then.

    Args:
        directories: variable to absolute directory.
        registration: told to renew when one went or came.

    """

    def __init__(self, directories: Mapping[str, bytes], registration: ActorRef[Renew]) -> None:
        self._directories = [_Directory(name, path) for name, path in directories.items()]
        self._registration = registration

    async def start(self) -> None:
        await self._look()
        for directory in self._directories:
            if not directory.present:
                logger.warning("path %s is not there: %s", directory.name, os.fsdecode(directory.path))
        self.context.tell_after(LOOK_SECONDS, Look())

    async def handle(self, message: PresentPaths | Look) -> object:
        if isinstance(message, PresentPaths):
            return {directory.name: directory.path for directory in self._directories if directory.present}
        before = [directory.present for directory in self._directories]
        await self._look()
        for directory, was in zip(self._directories, before, strict=True):
            if directory.present != was:
                state = "is there again" if directory.present else "is gone"
                logger.warning("path %s %s: %s", directory.name, state, os.fsdecode(directory.path))
        if before != [directory.present for directory in self._directories]:
            await self._registration.tell(Renew())
        self.context.tell_after(LOOK_SECONDS, message)
        return None

    async def _look(self) -> None:
        async with trio.open_nursery() as nursery:
            for directory in self._directories:
                nursery.start_soon(directory.look, CHECK_SECONDS)
