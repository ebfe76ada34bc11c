"""When a running program counts as stalled: nothing that it does can be seen, and nobody keeps it from it."""

from __future__ import annotations

import signal
from dataclasses import dataclass

STOPPING = frozenset((signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU))

_PAUSING = b"pcCd"
_RESUMING = b"u\r\n"
"""Keys of ffmpeg, and of Jellyfin's: those that pause, or ask for a command and wait for it; and those that
end that."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """What can be seen of a program at one moment.

    Attributes:
        cpu: processor time that its group has used, in any unit.
        moved: bytes that it has written and was given.
        stopped: all of its processes are stopped by a signal.
        waits: for its caller: for input, or for room for its output.
    """

    cpu: int
    moved: int
    stopped: bool = False
    waits: bool = False


class StallWatch:
    """Counts the seconds without a sign of life. Pure: it is told what is seen, and when.

    Args:
        interval: seconds between two looks. Where more have passed (this machine slept) they do not count.
        now: seconds, from any beginning.
    """

    def __init__(self, interval: float, now: float) -> None:
        self._most = 2 * interval
        self._looked = now
        self._seen: Vitals | None = None
        self._silent = 0.0
        self._paused = False
        self._paused_by_key = False

    def signaled(self, number: int) -> None:
        """The caller has sent the program a signal."""
        if number in STOPPING:
            self._paused = True
        elif number == signal.SIGCONT:
            self._paused = False
            self._silent = 0.0

    def typed(self, keys: bytes) -> None:
        """The caller has typed something."""
        last = max(keys.rfind(bytes([key])) for key in _PAUSING)
        resumed = max(keys.rfind(bytes([key])) for key in _RESUMING)
        if last >= 0 or resumed >= 0:
            self._paused_by_key = last > resumed

    def look(self, vitals: Vitals, now: float) -> float:
        """Seconds for which there has been no sign of life."""
        before, self._seen = self._seen, vitals
        passed, self._looked = now - self._looked, now
        lives = before is None or (before.cpu, before.moved) != (vitals.cpu, vitals.moved)
        # What is stopped waits for nobody; what its caller has paused is as it is to be.
        excused = self._paused or (not vitals.stopped and (vitals.waits or self._paused_by_key))
        if lives or excused:
            self._silent = 0.0
        else:
            self._silent += min(passed, self._most)
        return self._silent
