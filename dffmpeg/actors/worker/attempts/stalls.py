"""Noticing that a program has stalled, from its streams and from what the kernel tells of it.

Not an actor: the actor of the attempt's streams owns it.
"""

from __future__ import annotations

import fcntl
import struct
import termios
from collections.abc import Collection

import trio

from dffmpeg.actors.worker.attempts.intakes import Intake
from dffmpeg.actors.worker.attempts.outlets import Outlet
from dffmpeg.actors.worker.attempts.vitals import usage
from dffmpeg.actors.worker.processes.actor import RunningProcess
from dffmpeg.model.stalls import StallWatch, Vitals
from dffmpeg.wire.control import Record, Signal
from dffmpeg.wire.frames import CONTROL

_LOOKS = 5
"""In the time after which a program has stalled."""

_SECONDS = 10.0
"""Between two looks, at most."""


class StallDetector:
    """Watches one program.

    Args:
        timeout: seconds without output and without use of a processor.
        keys: whether descriptor 0 is a keyboard for the program, so that it does not wait for it.
    """

    def __init__(self, timeout: float, *, keys: bool) -> None:
        self._timeout = timeout
        self._keys = keys
        self._interval = min(_SECONDS, timeout / _LOOKS)
        self._watch = StallWatch(self._interval, trio.current_time())

    def noted(self, record: Record) -> None:
        """The caller has done something to the program."""
        if isinstance(record, Signal):
            self._watch.signaled(record.number)

    def given(self, number: int, data: bytes) -> None:
        """The program was given a piece of an input."""
        if self._keys and number == 0:
            self._watch.typed(data)

    async def stalled(
        self, process: RunningProcess, outlets: Collection[Outlet], intakes: Collection[Intake]
    ) -> str:
        """Wait until the program has stalled; returns the reason."""
        while True:
            await trio.sleep(self._interval)
            vitals = self._vitals(process, outlets, intakes)
            if not process.exited.is_set():
                silent = self._watch.look(vitals, trio.current_time())
                if silent >= self._timeout:
                    how = ", stopped by a signal that was not its caller's" if vitals.stopped else ""
                    return f"stalled: no output and no use of a processor for {silent:.3g} s{how}"

    def _vitals(
        self, process: RunningProcess, outlets: Collection[Outlet], intakes: Collection[Intake]
    ) -> Vitals:
        used = usage(process.pid)
        moved = sum(outlet.window.end for outlet in outlets) + sum(intake.written for intake in intakes)
        waits = any(outlet.full for outlet in outlets) or any(
            intake.idle and _drained(process, intake.number)
            for intake in intakes
            if intake.number != CONTROL and not (self._keys and intake.number == 0)
        )
        return Vitals(used.ticks, moved, used.stopped, waits)


def _drained(process: RunningProcess, number: int) -> bool:
    """Whether the program has read all that was written to one of its inputs."""
    try:
        waiting = fcntl.ioctl(process.inputs[number].fileno(), termios.FIONREAD, b"\0" * 4)
    except (OSError, ValueError, trio.ClosedResourceError):
        # Closed: nothing is there to be waited for.
        return False
    (count,) = struct.unpack("i", waiting)
    return bool(count == 0)
