"""What this machine can run: which programs the configured names are, and what they say of themselves."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import trio

from dffmpeg.actors.launches import CannotStart, Command
from dffmpeg.actors.processes import Processes
from dffmpeg.actors.runtime import Actor, Request

logger = logging.getLogger("dffmpeg.worker.capabilities")

VIEWS = "views"
"""The ability to run a job in its client's view."""

_VERSION_SECONDS = 10.0
_LINE_BYTES = 4096


class Programs(Request[Mapping[str, bytes]]):
    """Name to absolute path, of the configured programs that were found."""


class Abilities(Request[list[str]]):
    """What this machine can do, beyond its programs: what the configuration says, and what was found out."""


def resolve(program: str) -> bytes | None:
    """The absolute path of a program, looked up on the PATH unless it holds a slash; or None."""
    found = shutil.which(program)
    return None if found is None else os.fsencode(Path(found).absolute())


class CapabilitiesActor(Actor[Programs | Abilities]):
    """Resolves the configured binaries when it starts.

    Args:
        binaries: name to program, looked up on the PATH if it is not absolute.
        processes: where they run to be asked for their version, so that even
            one that hangs, or starts others, is gone with the worker.
        configured: what the configuration says that this machine can do.
    """

    def __init__(
        self, binaries: Mapping[str, str], processes: Processes, configured: Sequence[str] = ()
    ) -> None:
        self._binaries = binaries
        self._processes = processes
        self._configured = configured
        self._programs: dict[str, bytes] = {}

    async def start(self) -> None:
        for name, program in self._binaries.items():
            found = resolve(program)
            if found is None:
                logger.warning("%s is not offered: there is no program %s here", name, program)
                continue
            self._programs[name] = found
            self.context.nursery.start_soon(self._ask_version, name)

    async def handle(self, message: Programs | Abilities) -> object:
        if isinstance(message, Abilities):
            found = [VIEWS] if self._processes.namespaces.available else []
            return list(dict.fromkeys([*self._configured, *found]))
        return dict(self._programs)

    async def _ask_version(self, name: str) -> None:
        """Log the first line of `-version`; in the background, for what it says decides nothing."""
        line = b""
        try:
            with trio.move_on_after(_VERSION_SECONDS):
                async with self._processes.running(Command(self._programs[name], (b"-version",))) as process:
                    while b"\n" not in line and len(line) < _LINE_BYTES:
                        data = await process.outputs[1].receive_some(_LINE_BYTES)
                        if not data:
                            break
                        line += data
        except CannotStart as error:
            logger.warning("%s cannot be started: %s", name, error)
            return
        first = line.partition(b"\n")[0].decode("utf-8", "replace")
        logger.info("%s is %s: %s", name, os.fsdecode(self._programs[name]), first or "it does not say")
